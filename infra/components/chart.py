"""What a Helm chart consists of, before any of it is declared."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from infra.settings.framework.problems import set_command
from infra.specs import Spec

TEMPLATE = "kubernetes:helm:template"
"""The function behind `helm.v3.Chart` of pulumi-kubernetes, as `helm template` does it."""


def rendered(
    options: Mapping[str, Any], provider: pulumi.ProviderResource, key: str
) -> Sequence[Spec]:
    """The objects of a chart; nothing is created. RunError if the chart cannot be had or rendered.

    `options` are those of
    https://github.com/pulumi/pulumi-kubernetes/blob/v4.25.0/provider/pkg/provider/invoke_helm_template.go;
    `key` is the setting that names the chart. Objects of hooks are not included.
    """
    try:
        found = pulumi.runtime.invoke(
            TEMPLATE, {"jsonOpts": json.dumps(options)}, pulumi.InvokeOptions(provider=provider)
        )
    except Exception as error:
        # The SDK raises a plain Exception, with the provider's text after its own.
        text = str(error).rpartition("error: ")[2]
        raise pulumi.RunError(
            f"{key}: the chart of the KubeRay operator cannot be rendered: {text}. Where this "
            "machine cannot reach the repository, download the chart, set `repository: null` under "
            f"rayline:operator in the stack file, and type: {set_command(key, '<folder>')}"
        ) from error
    return list((found.value or {}).get("result", []))
