"""Texts of the stack's outputs: where the API is, and how to call it."""

from infra.settings import StackSettings
from infra.specs import names


def ingress_url(settings: StackSettings) -> str | None:
    """URL of the Ingress; None if the API stays inside the cluster."""
    ingress = settings.serve.ingress
    if ingress is None:
        return None
    return f"{'https' if ingress.tls_secret else 'http'}://{ingress.host}"


def api_service(settings: StackSettings) -> str:
    """URL of the API for clients inside the cluster."""
    host = f"{names.api_service(settings)}.{settings.cluster.namespace}.svc"
    return f"http://{host}:{settings.serve.port}"


def dashboard(settings: StackSettings) -> str:
    """The command that makes Ray's dashboard reachable; it is never exposed."""
    return (
        f"kubectl --context {settings.cluster.context} -n {settings.cluster.namespace} "
        f"port-forward service/{names.head_service(settings)} 8265:8265"
    )


def dashboard_token(settings: StackSettings) -> str:
    """The command that prints the token for which Ray's dashboard asks."""
    return (
        f"kubectl --context {settings.cluster.context} -n {settings.cluster.namespace} "
        f"get secret {names.ray_token_secret(settings)} "
        f"-o go-template='{{{{.data.{names.RAY_TOKEN_KEY} | base64decode}}}}'"
    )


def curl(settings: StackSettings, url: str) -> str:
    """A command that logs in as the first user, with a placeholder for the password, and lists the
    models; empty if there are no models."""
    if not settings.models:
        return ""
    user = settings.auth.users[0].name
    prefix = settings.models[0].route_prefix.rstrip("/")
    token = (
        f"$(curl -sS {url}{prefix}/token -F username={user} -F 'password=<PASSWORD>' "
        "| python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])')"
    )
    return f'curl -sS {url}{prefix}/v1/models -H "Authorization: Bearer {token}"'
