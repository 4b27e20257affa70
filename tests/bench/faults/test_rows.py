"""Every part that is killed has a row on the page of guarantees."""

from tests.cluster.faults.rows import FAULTS
from tests.guarantees import rows


def test_each_fault_has_a_row_with_its_figures() -> None:
    figures = {name for row in rows.read().rows for name in row.figures}
    for fault in FAULTS:
        for figure in ("failed", "cut", "seconds"):
            assert f"fault.{fault.name}.{figure}" in figures


def test_the_short_form_has_the_parts_that_matter_most() -> None:
    short = {fault.name for fault in FAULTS if not fault.long}
    assert {"controller", "engine", "etcd"} <= short  # with etcd, its API server ends too
    assert len(short) <= 4, "each takes half a minute of `make test`, which has an hour"
