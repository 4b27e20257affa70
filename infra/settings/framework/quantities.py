"""Quantities as Kubernetes writes them: their type, and their value.

The `kubernetes` package has a parser too (`kubernetes.utils.quantity.parse_quantity`), but
importing it takes 0.4 s, which would slow down every preview; a test compares the two.
"""

import re
from decimal import Decimal
from typing import Annotated

from infra.settings.framework.text import Text

_LOWEST, _HIGHEST = 2**20, 2**60
_MEANT = re.compile(r"([0-9]+(?:\.[0-9]{1,3})?) ?([KMGTkmgt]?)(i?)[Bb]?")

_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{prefix: Decimal(1000) ** power for power, prefix in enumerate("kMGT", 1)},
    **{f"{prefix}i": Decimal(1024) ** power for power, prefix in enumerate("KMGT", 1)},
}


def amount(quantity: str) -> Decimal:
    """The value of a quantity: 500m -> 0.5, 2 -> 2, 8Gi -> 8589934592."""
    number = quantity.rstrip("mkKMGTi")
    return Decimal(number) * _FACTORS[quantity[len(number) :]]


def _cores(quantity: str) -> str | None:
    return None if Decimal("0.001") <= amount(quantity) <= 10_000 else "from 1m up to 10000 cores"


def _bytes(quantity: str) -> str | None:
    if quantity.isdigit() and int(quantity) < _LOWEST:
        return f"a size with a unit, such as 24Gi: without one, {quantity} means bytes"
    if not _LOWEST <= amount(quantity) <= _HIGHEST:
        return "a size from 1Mi up to 1048576Ti"
    return None


def _size(text: str) -> str | None:
    """The size that was probably meant: 24 GB -> 24G, 24gb -> 24G, 24 -> 24Gi."""
    found = _MEANT.fullmatch(text)
    if found is None:
        return None
    number, unit, binary = found.groups()
    prefix = unit.upper() if unit not in ("k", "K") or binary else "k"
    guess = f"{number}{prefix}{'i' if binary and prefix else ''}" if unit else f"{number}Gi"
    return guess if _LOWEST <= amount(guess) <= _HIGHEST else None


Cpu = Annotated[
    str,
    Text(
        r"[0-9]{1,12}(?:m|\.[0-9]{1,3})?",
        "a number of CPU cores such as 8, 0.5 or 500m",
        "500m",
        17,
        refine=_cores,
        numbers=True,
    ),
]
"""CPU cores: 8, 0.5 or 500m. Kubernetes counts thousandths."""
Size = Annotated[
    str,
    Text(
        r"[0-9]{1,19}(?:(?:\.[0-9]{1,3})?(?:k|M|G|T|Ki|Mi|Gi|Ti))?",
        "a number with a unit k, M, G, T, Ki, Mi, Gi or Ti, such as 24Gi",
        "8Gi",
        25,
        refine=_bytes,
        repair=_size,
        numbers=True,
    ),
]
"""Bytes: 24Gi or 24G. A plain number is accepted from 1 MiB on, because 24 would be 24 bytes."""
