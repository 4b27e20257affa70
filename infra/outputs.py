"""What `pulumi up` prints at the end: where the API is, and how to call it."""

from typing import Any

import pulumi

from infra.settings import StackSettings
from infra.specs import names


def of(
    settings: StackSettings,
    *,
    image: pulumi.Input[str],
    api_address: pulumi.Output[str],
    models: pulumi.Input[Any],
    passwords: pulumi.Output[Any],
) -> dict[str, Any]:
    """The stack's outputs by name."""
    url = api_url(settings)
    reach: pulumi.Input[str] = url or api_address.apply(lambda address: f"http://{address}")
    return {
        "apiUrl": reach,
        "apiService": f"http://{names.api_service(settings)}.{settings.cluster.namespace}.svc:"
        f"{settings.serve.port}",
        "dashboard": dashboard(settings),
        "image": image,
        "models": models if models is not None else routes(settings),
        "passwords": passwords,
        "curl": pulumi.Output.from_input(reach).apply(lambda base: curl(settings, base)),
    }


def api_url(settings: StackSettings) -> str | None:
    """The Ingress' URL; None where the API stays inside the cluster."""
    ingress = settings.serve.ingress
    if ingress is None:
        return None
    return f"{'https' if ingress.tls_secret else 'http'}://{ingress.host}"


def dashboard(settings: StackSettings) -> str:
    """The command that reaches Ray's dashboard, which is never exposed."""
    return (
        f"kubectl --context {settings.cluster.context} -n {settings.cluster.namespace} "
        f"port-forward service/{names.head_service(settings)} 8265:8265"
    )


def routes(settings: StackSettings) -> dict[str, dict[str, str]]:
    """Models of a RayService: KubeRay knows their state, Pulumi their routes."""
    return {model.name: {"route_prefix": model.route_prefix} for model in settings.models}


def curl(settings: StackSettings, base: str) -> str:
    """A line that logs in and lists the models: the first user, whose password is asked for."""
    if not settings.models:
        return ""
    user = settings.auth.users[0].name
    prefix = settings.models[0].route_prefix.rstrip("/")
    token = (
        f"$(curl -sS {base}{prefix}/token -F username={user} -F 'password=<PASSWORD>' "
        "| python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])')"
    )
    return f'curl -sS {base}{prefix}/v1/models -H "Authorization: Bearer {token}"'
