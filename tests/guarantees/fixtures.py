"""The fixture `measured`, for tests in any folder."""

import os
from collections.abc import Iterator

import pytest

from tests.guarantees import figures
from tests.guarantees.figures import Figure


class Measured:
    """What one test measures. Nothing is written unless RAYLINE_RECORD=1 asks for it."""

    def __init__(self, test: str) -> None:
        self._test = test
        self.figures: dict[str, Figure] = {}

    def __call__(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        of: int | None = None,
        at_most: float | None = None,
        at_least: float | None = None,
        note: str = "",
    ) -> None:
        """Record a figure; call it before the assertion, so that a missed goal is recorded too.

        The name is that of a row in tests/guarantees/rows.yaml. `Figure` explains the others.
        """
        if not figures.NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not of the form first.second-word")
        self.figures[name] = Figure(
            value=round(value, 3),
            unit=unit,
            test=self._test,
            date=figures.today(),
            machine=figures.machine(),
            load=round(os.getloadavg()[0], 1),
            of=of,
            at_most=at_most,
            at_least=at_least,
            note=note,
        )


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Iterator[Measured]:
    """Records figures of the test, which the page of guarantees shows."""
    test = Measured(request.node.nodeid)
    yield test
    for name, figure in test.figures.items():
        goal = "" if figure.met else ", which misses its goal"
        print(f"{name}: {figure.value:g} {figure.unit}{goal}")
    if os.environ.get(figures.VARIABLE) == "1":
        figures.write(test.figures)
