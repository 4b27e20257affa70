"""Proxies and certificates."""

import re

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, remove_command, set_command
from infra.settings.secret_keys import SECRET_KEYS

_PROXY = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?/?")
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_MAXIMUM_BYTES = 512 * 1024
"""Half of what a Secret may hold; the public authorities together are about 250 KB."""


@rule
def proxies_are_addresses_without_passwords(
    settings: StackSettings, _facts: Facts
) -> list[Problem]:
    """httpx, pip and BuildKit take http://host:port. A message contains no address with an @, as
    there is a password before it."""
    problems = []
    for name, value in (
        ("httpProxy", settings.network.http_proxy),
        ("httpsProxy", settings.network.https_proxy),
    ):
        key = key_path("network", name)
        if value is None or _PROXY.fullmatch(value):
            continue
        if "@" in value:
            problems.append(
                error(
                    key,
                    "contains a user or a password, and this key is in plain text in the stack "
                    f"file, the state and the pods. Type: {remove_command(key)}, then: "
                    f"{SECRET_KEYS['proxyUrl'].command}",
                )
            )
        else:
            repair = re.sub(r"^.*://|/.*$", "", value) or "proxy.example.com:3128"
            if not _PROXY.fullmatch(f"http://{repair}"):
                repair = "proxy.example.com:3128"
            problems.append(
                error(
                    key,
                    f"is {value!r}; it must be http://host:port. "
                    f"Type: {set_command(key, f'http://{repair}')}",
                )
            )
    return problems


@rule
def the_authorities_are_a_file_of_certificates(
    settings: StackSettings, facts: Facts
) -> list[Problem]:
    """Otherwise builds and downloads would fail after minutes. A file with a private key is
    refused, because its content is stored in the cluster and in the state."""
    path, content = settings.network.ca_file, facts.authorities
    if path is None:
        return []
    key = key_path("network", "caFile")
    repair = f"Type: {remove_command(key)}, or set it to the path of a PEM file"
    if content is None:
        return [error(key, f"is {path!r}, which is not a readable file on this machine. {repair}")]
    if "PRIVATE KEY" in content:
        return [error(key, f"is {path!r}, which contains a private key. {repair}")]
    if _CERTIFICATE not in content or len(content.encode()) > _MAXIMUM_BYTES:
        return [
            error(
                key,
                f"is {path!r}, which must contain certificates ({_CERTIFICATE}), at most "
                f"{_MAXIMUM_BYTES // 1024} KiB. {repair}",
            )
        ]
    return []
