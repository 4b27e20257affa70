"""Quantities have the values that Kubernetes gives them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity  # type: ignore[import-untyped]

from infra.settings.framework.quantities import amount


def test_quantities_are_numbers() -> None:
    assert [amount(q) for q in ("500m", "2", "1.5", "8Gi", "24G", "1k")] == [
        0.5, 2, 1.5, 8 * 1024**3, 24e9, 1000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("8Gi", 8 * 2**30), ("24G", 24 * 10**9), ("1.5Ki", 1536), ("500m", 0), ("7", 7), ("2k", 2000)],
)
def test_quantities_have_whole_bytes(quantity: str, number: int) -> None:
    assert math.floor(amount(quantity)) == number


@given(st.from_regex(r"\A[0-9]{1,12}(\.[0-9]{1,6})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?\Z"))
def test_the_kubernetes_package_agrees(quantity: str) -> None:
    assert amount(quantity) == parse_quantity(quantity)
