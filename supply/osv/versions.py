"""The order of versions in each ecosystem.

Python's is PEP 440. Go's is that of Semantic Versioning, which orders pseudo-versions
(`v0.0.0-20240102150405-abcdef123456`) as Go intends, and ignores `+incompatible`
(https://go.dev/ref/mod#versions).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from packaging import version as pep440
from semver import Version as SemVer

from supply.locked import Ecosystem

Ordered = Any
"""A version of one ecosystem; those of the same ecosystem can be compared."""


class IncomparableError(ValueError):
    """The text is no version of the ecosystem."""


def parse(ecosystem: Ecosystem, text: str) -> Ordered:
    """The version. IncomparableError if the ecosystem has no such version."""
    try:
        return _PARSERS[ecosystem](text)
    except (ValueError, TypeError):
        raise IncomparableError(f"{text!r} is no version of {ecosystem}") from None


def _python(text: str) -> pep440.Version:
    """Without the local part: 2.13.0+cpu is a build of 2.13.0, and has its flaws."""
    return pep440.Version(pep440.Version(text).public)


def _go(text: str) -> SemVer:
    """Docker's calendar versions, such as 19.03.0, are in advisories; Go itself does not allow the
    zero in front."""
    core, rest = re.fullmatch(r"v?([0-9.]*)(.*)", text).groups()  # type: ignore[union-attr]
    plain = ".".join(str(int(part)) for part in core.split("."))
    return SemVer.parse(plain + rest, optional_minor_and_patch=True).replace(build=None)


_PARSERS: Mapping[Ecosystem, Callable[[str], Ordered]] = {"PyPI": _python, "Go": _go}
