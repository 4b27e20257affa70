"""The grammar of names and values that end in Kubernetes objects, as types of settings.

The rules are those of the API server:
https://github.com/kubernetes/apimachinery/blob/v0.34.3/pkg/util/validation/validation.go
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
A test walks the settings and fails for a text or number without a grammar or bounds.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from infra.settings.framework.text import Text

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LONGEST_SUBDOMAIN, _LONGEST_KEY = 253, 253 + 1 + 63
_KEY = rf"(?:{_SUBDOMAIN}/)?{_NAME}"
_KEY_WORDS = (
    "name or dns.prefix/name, where name has at most 63 letters, digits, -, _ and . and begins "
    "and ends with a letter or digit"
)
# C0 and C1 control characters: no object can contain them, or no terminal can show them.
_LINE = r"[^\x00-\x1f\x7f-\x9f]*"
_FILLED_LINE = r"[^\x00-\x1f\x7f-\x9f]+"


def _prefix(key: str) -> str | None:
    """Of a name that matches `_KEY`: the prefix is limited too."""
    prefix = key.rpartition("/")[0]
    return _KEY_WORDS if len(prefix) > _LONGEST_SUBDOMAIN else None


def _label_word(value: str) -> str:
    """The nearest label value: characters that are not allowed become -."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", value)[:63].strip("-_.") or "value"


def _dns(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-") or "name"


def _dotted(text: str) -> str:
    parts = (_dns(part) for part in text.split(".") if part)
    return ".".join(parts)[:_LONGEST_SUBDOMAIN].strip("-.") or "name"


Line = Annotated[str, Text(_FILLED_LINE, "a text on one line, not empty", "<text>", 1024)]
"""A text whose form nobody prescribes, such as the name of a card."""

DnsLabel = Annotated[
    str,
    Text(
        _LABEL,
        "a DNS label: at most 63 lowercase letters, digits and -, which begins and ends with a "
        "letter or digit",
        "<name>",
        63,
        repair=_dns,
    ),
]
"""The name of a namespace, a Service, a worker group."""

ObjectName = Annotated[
    str,
    Text(
        _SUBDOMAIN,
        "a DNS name: at most 253 lowercase letters, digits, - and ., where each part between dots "
        "begins and ends with a letter or digit",
        "<name>",
        _LONGEST_SUBDOMAIN,
        repair=_dotted,
    ),
]
"""The name of most objects: Secret, claim, service account, storage class, ingress class."""


def _no_address(host: str) -> str | None:
    """Of a DNS name. https://github.com/kubernetes/kubernetes/blob/v1.34.3/pkg/apis/networking/validation"""
    numeric = host.rpartition(".")[2].isdigit()
    return "the DNS name of a host, and not an IP address" if numeric else None


HostName = Annotated[
    str,
    Text(
        _SUBDOMAIN,
        "the DNS name of a host, without https://, without a port and without *",
        "llm.example.com",
        _LONGEST_SUBDOMAIN,
        refine=_no_address,
    ),
]
"""The host of an Ingress."""

LabelKey = Annotated[
    str, Text(_KEY, _KEY_WORDS, "example.com/name", _LONGEST_KEY, refine=_prefix, strip=False)
]
"""The name of a label, of an annotation, of a taint."""
LabelValue = Annotated[
    str,
    Text(
        rf"(?:{_NAME})?",
        "at most 63 letters, digits, -, _ and ., which begin and end with a letter or digit",
        "value",
        63,
        repair=_label_word,
    ),
]
"""The value of a label or a taint; it may be empty."""
Labels = dict[LabelKey, LabelValue]

TaintKey = Annotated[
    str, Text(rf"(?:{_KEY})?", _KEY_WORDS, "example.com/name", _LONGEST_KEY, refine=_prefix)
]
"""The key of a taint; empty for every taint."""

_NO_NUL = r"[^\x00]*"
AnnotationValue = Annotated[
    str, Text(_NO_NUL, "a text without the character NUL", "value", 65536, strip=False)
]
_MAXIMUM_ANNOTATIONS = 200 * 1024


def _small(annotations: Mapping[str, str]) -> Mapping[str, str]:
    """Kubernetes allows 256 KiB per object; controllers and Pulumi add their own."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in annotations.items())
    if size > _MAXIMUM_ANNOTATIONS:
        raise ValueError(
            f"names and values may have {_MAXIMUM_ANNOTATIONS} bytes together, and have {size}"
        )
    return annotations


Annotations = Annotated[dict[LabelKey, AnnotationValue], AfterValidator(_small)]

EnvName = Annotated[
    str,
    Text(
        r"[A-Za-z_][A-Za-z0-9_]*",
        "made of letters, digits and _, and not begin with a digit",
        "NAME",
        256,
        strip=False,
    ),
]
# Linux accepts 128 KiB per variable: https://man7.org/linux/man-pages/man2/execve.2.html
EnvValue = Annotated[
    str, Text(_NO_NUL, "a text without the character NUL", "value", 100_000, strip=False)
]
Env = dict[EnvName, EnvValue]


def _countable(name: str) -> str | None:
    """https://github.com/kubernetes/kubernetes/blob/v1.34.3/pkg/apis/core/v1/helper/helpers.go
    (IsExtendedResourceName); the name is also the end of a quota's `requests.<name>`."""
    prefix, _, rest = name.partition("/")
    if prefix.endswith("kubernetes.io") or prefix.startswith("requests."):
        return f"a resource of a device plug-in, and {prefix}/ belongs to Kubernetes"
    limit = _LONGEST_SUBDOMAIN - len("requests.")
    return _KEY_WORDS if len(prefix) > limit or len(rest) > 63 else None


ExtendedResource = Annotated[
    str,
    Text(
        rf"{_SUBDOMAIN}/{_NAME}",
        "an extended resource such as nvidia.com/gpu, as dns.prefix/name",
        "nvidia.com/gpu",
        _LONGEST_KEY,
        refine=_countable,
    ),
]
"""What a device plug-in counts: never cpu, memory or another resource of Kubernetes."""

HttpUrl = Annotated[
    str,
    Text(
        r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!-~]*)?",
        "a URL that begins with http:// or https://",
        "https://example.com",
        2048,
    ),
]
Version = Annotated[
    str,
    Text(
        r"(?:0|[1-9][0-9]{0,4})(?:\.(?:0|[1-9][0-9]{0,4})){2}",
        "three numbers with dots",
        "1.2.3",
        17,
    ),
]
# https://github.com/distribution/reference/blob/v0.6.0/regexp.go: host[:port]/path[:tag][@digest]
_REPOSITORY = (
    r"(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
)
_TAG, _DIGEST = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", r"@sha256:[0-9a-f]{64}"
ImageReference = Annotated[
    str,
    Text(
        rf"{_REPOSITORY}(?:{_TAG})?(?:{_DIGEST})?",
        "an image as host/path:tag, with a lowercase path and without https://",
        "<host>/<path>:<tag>",
        512,
    ),
]
ImageByDigest = Annotated[
    str,
    Text(
        rf"{_REPOSITORY}(?:{_TAG})?{_DIGEST}",
        "an image by digest, as host/path@sha256:<64 hexadecimal digits>",
        "<host>/<path>@sha256:<digest>",
        512,
    ),
]
Path = Annotated[str, Text(_FILLED_LINE, "a path", "<path>", 4096)]

Port = Annotated[int, Field(ge=1024, le=65535)]
"""A port that no process needs root for."""
Seconds = Annotated[int, Field(ge=1, le=30 * 24 * 3600)]
"""A duration of at most 30 days: far below the limits of Kubernetes' and Go's fields."""
Count = Annotated[int, Field(ge=1, le=1000)]
"""A number of pods, engines or cards."""
