"""What vLLM may fetch for a request: it keeps to the hosts that the guard allows, by itself too.

The guard refuses a request that names another host (`app.guard.fields.media`). vLLM gets the same
list, so that an address that only vLLM recognised would still be fetched from no other host. It
follows no redirect: an allowed host could otherwise send it to one that is not.
"""

from collections.abc import Mapping, MutableMapping

DOMAINS = "GUARD_MEDIA_DOMAINS"
# vLLM's own default is to follow them (vllm/envs.py).
REDIRECTS = "VLLM_MEDIA_URL_ALLOW_REDIRECTS"
# An empty list would allow every host. This name can never be a host (RFC 2606).
NONE = "none.invalid"


def allowed_domains(environ: Mapping[str, str]) -> list[str]:
    """The value of vLLM's `allowed_media_domains`: the guard's hosts, and otherwise none."""
    return sorted(set(environ.get(DOMAINS, "").lower().replace(",", " ").split())) or [NONE]


def follow_no_redirects(environ: MutableMapping[str, str]) -> None:
    """Must run before vLLM reads its environment."""
    environ[REDIRECTS] = "0"
