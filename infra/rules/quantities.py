"""Amounts as Kubernetes writes them, as numbers."""

_FACTORS = {
    "m": 1e-3,
    **{sign: 1000.0**power for power, sign in enumerate("kMGT", 1)},
    **{f"{sign}i": 1024.0**power for power, sign in enumerate("KMGT", 1)},
}


def amount(quantity: str) -> float:
    """500m -> 0.5, 2 -> 2, 8Gi -> 8589934592. Quantities are checked by infra.settings."""
    number = quantity.rstrip("mkKMGTi")
    suffix = quantity[len(number) :]
    return float(number) * _FACTORS.get(suffix, 1.0)
