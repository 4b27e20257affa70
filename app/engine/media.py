"""What vLLM may fetch and decode for a request: it keeps to the guard's bounds, by itself too.

The guard refuses a request that names another host (`app.guard.fields.media`). vLLM gets the same
list, so that an address that only vLLM recognised would still be fetched from no other host. It
follows no redirect: an allowed host could otherwise send it to one that is not.

Only vLLM learns how large a picture is. One of 180 million pixels, which vLLM accepts by default,
fits into half a megabyte of PNG and takes 540 MB when it is decoded.
"""

from collections.abc import Mapping, MutableMapping

DOMAINS = "GUARD_MEDIA_DOMAINS"
# vLLM's own default is to follow them (vllm/envs.py).
REDIRECTS = "VLLM_MEDIA_URL_ALLOW_REDIRECTS"
# A larger picture is refused with 400 (vllm/multimodal/media/image.py), as is a video's frame.
PIXELS = "VLLM_MAX_IMAGE_PIXELS"
FETCHED_MIB = "VLLM_MAX_MEDIA_DOWNLOAD_SIZE_MB"
_MIB = 2**20
# An empty list would allow every host. This name can never be a host (RFC 2606).
NONE = "none.invalid"


def allowed_domains(environ: Mapping[str, str]) -> list[str]:
    """The value of vLLM's `allowed_media_domains`: the guard's hosts, and otherwise none."""
    return sorted(set(environ.get(DOMAINS, "").lower().replace(",", " ").split())) or [NONE]


def follow_no_redirects(environ: MutableMapping[str, str]) -> None:
    """Must run before vLLM reads its environment."""
    environ[REDIRECTS] = "0"


def bound(environ: MutableMapping[str, str], pixels: int, size: int) -> None:
    """Let vLLM decode pictures of at most `pixels`, and fetch media of at most `size` bytes.

    vLLM reads both when it uses them. A medium that is fetched may be as large as one that is sent.
    """
    environ[PIXELS] = str(pixels)
    environ[FETCHED_MIB] = str(-(-size // _MIB))
