"""Quantities as Kubernetes writes them: their type, and their value.

The `kubernetes` package has a parser too (`kubernetes.utils.quantity.parse_quantity`), but
importing it takes 0.4 s, which would slow down every preview; a test compares the two.
"""

from decimal import Decimal
from typing import Annotated

from pydantic import StringConstraints

Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
"""A quantity as Kubernetes writes it: 500m, 2, 8Gi."""

_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{prefix: Decimal(1000) ** power for power, prefix in enumerate("kMGT", 1)},
    **{f"{prefix}i": Decimal(1024) ** power for power, prefix in enumerate("KMGT", 1)},
}


def amount(quantity: str) -> Decimal:
    """The value of a `Quantity`: 500m -> 0.5, 2 -> 2, 8Gi -> 8589934592."""
    number = quantity.rstrip("mkKMGTi")
    return Decimal(number) * _FACTORS[quantity[len(number) :]]
