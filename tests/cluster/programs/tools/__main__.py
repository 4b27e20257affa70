import os

import pulumi
import pulumi_docker_build as docker_build
import pulumi_kubernetes as kubernetes
from note import Note

config = pulumi.Config()
text = config.require("text")
provider = kubernetes.Provider("sandbox", kubeconfig=os.environ["KUBECONFIG"])
config_map = kubernetes.core.v1.ConfigMap(
    "greeting",
    metadata={"namespace": config.require("namespace")},
    data={"text": text},
    opts=pulumi.ResourceOptions(provider=provider),
)
image = docker_build.Image(
    "hello",
    context={"location": config.require("context")},
    build_args={"BASE": config.require("base")},
    builder={"name": os.environ["BUILDX_BUILDER"]},
    tags=[config.require("tag")],
    push=True,
    build_on_preview=False,
)
note = Note("note", path=config.require("note"), text=text)
pulumi.export("configMap", config_map.metadata["name"])
pulumi.export("image", image.ref)
