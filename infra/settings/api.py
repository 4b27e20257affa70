"""`rayline:api`, and the same keys of one model: `rayline:models[].api`.

Names, bounds, defaults and descriptions are those of app.guard.settings, which reads them from the
environment; tests/infra/parity compares the two.
"""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from infra.settings.framework.base import Settings
from infra.settings.framework.text import Text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{error}; write a network such as 10.0.0.0/8") from None
        raise ValueError(f"{error}; write {meant}") from None
    return text


# Strict, because pydantic on its own reads true as 1.
Count = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
HostName = Annotated[
    str,
    Text(
        r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?",
        "the name of a host, without https:// and without a port",
        "media.example.com",
        253,
    ),
]
Origin = Annotated[
    str,
    Text(
        r"\*|(?!http://.*:80$|https://.*:443$)[a-z][a-z0-9+.-]*://"
        r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?",
        "an origin as browsers send it, in lower case, without a path and without the default port "
        "of its scheme, or *",
        "https://chat.example.com",
        300,
    ),
]
Network = Annotated[
    str,
    Text(r"[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?", "a network such as 10.0.0.0/8", "10.0.0.0/8", 43),
    AfterValidator(_network),
]


class Api(Settings):
    """Bounds on every request, whatever the caller's role, and what the guard trusts. A change
    restarts the replicas of the models that it concerns."""

    body_bytes: Count = 4 * 1024 * 1024
    """Body of a request, in bytes."""
    media_body_bytes: Count = 16 * 1024 * 1024
    """Body of a request to a model that accepts media, in bytes: base64 makes a picture a third
    larger."""
    audio_body_bytes: Count = 25 * 1024 * 1024
    """Body of an audio request, in bytes."""
    headers: Count = 100
    """Number of headers."""
    header_bytes: Count = 32 * 1024
    """Size of all headers together, in bytes."""
    json_depth: Count = 32
    """Levels of nesting in the JSON body."""
    json_items: Count = 256 * 1024
    """Items of the JSON body: an entry of a list counts as 1; a list, an object and each member of
    an object count as 4."""
    n: Count = 8
    """Answers per prompt: `n` and `best_of`."""
    logprobs: Count = 20
    """Log probabilities per token."""
    stop: Count = 16
    """Number of stop sequences."""
    stop_bytes: Count = 1024
    """Size of one stop sequence or bad word, in bytes."""
    tools: Count = 512
    """Number of tools."""
    grammar_bytes: Count = 512 * 1024
    """Size of one grammar that the engine would compile, such as a JSON schema or the schemas of
    tools that must be called, in bytes. What it costs is bounded separately."""
    prompt_bytes: Count = 16 * 1024 * 1024
    """Text of all prompts that one request makes, in bytes: the query of a score or rerank request
    counts once per document."""
    prompts: Count = 64
    """Prompts of one completion request, or conversations of one batch."""
    inputs: Count = 2048
    """Texts of one embedding, score or rerank request."""
    token_ids: Count = 1024
    """Entries of `logit_bias`, `allowed_token_ids`, `stop_token_ids` and `bad_words`."""
    repetition_pattern: Count = 64
    """Longest pattern, in tokens, that `repetition_detection` looks for."""
    media_domains: tuple[HostName, ...] = Field((), max_length=1000)
    """Hosts from which media may be fetched; subdomains are not included."""
    media_parts: Count = 16
    """Media parts of one request."""
    media_pixels: Count = 25_000_000
    """Pixels of one picture or video frame, which takes three bytes per pixel in memory however
    small its file is."""
    max_running: Count | None = None
    """Concurrent requests that one replica gives its engine; further ones are answered with 429.
    Absent: twice maxNumSeqs."""
    open_body_bytes: Count = 256 * 1024 * 1024
    """Memory for the bodies of one replica's requests together, in bytes; bodies that do not fit
    are answered with 429. Bodies up to 65,536 bytes do not count."""
    trusted_proxies: tuple[Network, ...] = Field((), max_length=1000)
    """Networks of proxies that are trusted to report the client's address in `X-Forwarded-For`."""
    cors_origins: tuple[Origin, ...] = Field((), max_length=1000)
    """Origins of web pages that may call the service from a browser (CORS), or `*` for all."""
    priority: bool = False
    """Give each request the priority of its role; the engine then schedules by priority."""
    login_failures_per_user: Count = 60
    """Failed logins per hour of one user, at all addresses together from which this user has not
    logged in before."""
    login_failures_per_address: Count = 120
    """Failed logins per hour at one address, or at one /64 of IPv6."""
    login_failures_per_network: Count = 480
    """Failed logins per hour in one /48 of IPv6, which may have one owner."""
    shared: bool = True
    """Share counts with other replicas where Ray runs."""
    metrics_by_user: bool = False
    """Count requests and tokens of each user by name in the metrics, which everybody can read who
    reaches Ray's metrics port."""

    def changed_by(self, other: "Api | None") -> "Api":
        """These settings with those that `other` gives explicitly."""
        if other is None:
            return self
        return self.model_copy(
            update={name: getattr(other, name) for name in other.model_fields_set}
        )
