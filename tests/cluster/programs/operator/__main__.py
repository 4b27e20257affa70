import os

import pulumi
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
provider = kubernetes.Provider("sandbox", kubeconfig=os.environ["KUBECONFIG"])
release = kubernetes.helm.v3.Release(
    "kuberay-operator",
    chart=config.require("chart"),
    namespace=config.require("namespace"),
    atomic=True,
    timeout=120,
    opts=pulumi.ResourceOptions(provider=provider),
)
pulumi.export("status", release.status.status)
