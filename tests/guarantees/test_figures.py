"""Tests record figures only when they are asked to, and concurrent ones lose none."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.guarantees import figures
from tests.guarantees.figures import Figure
from tests.guarantees.fixtures import Measured

pytest_plugins = ["pytester"]

TEST = """
def test_something(measured):
    measured("a.failed", 2, "requests", of=100, at_most=0, note="the engine restarted")
    assert False, "the figure is recorded all the same"
"""


def figure(value: float = 1.0, **more: object) -> Figure:
    fields = {"unit": "s", "test": "t", "date": "2026-01-02", "machine": "m", "load": 0.5}
    return Figure(value=value, **(fields | more))  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "measured.json"
    monkeypatch.setattr(figures, "FILE", path)
    monkeypatch.setattr(figures.write, "__defaults__", (path,))
    return path


@pytest.mark.parametrize("asked", ["", "1"])
def test_a_test_records_what_it_measures_only_when_asked(
    asked: str, file: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(figures.VARIABLE, asked)
    pytester.makeconftest('pytest_plugins = ["tests.guarantees.fixtures"]')
    pytester.makepyfile(test_it=TEST)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert file.exists() is bool(asked)
    if asked:
        recorded = figures.read(file)["a.failed"]
        assert (recorded.value, recorded.of, recorded.at_most) == (2, 100, 0)
        assert recorded.test == "test_it.py::test_something"
        assert recorded.note == "the engine restarted"
        assert not recorded.met


def _write(number: int, file: Path) -> None:
    figures.write({f"n{number}": figure(number)}, file)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        for each in [pool.submit(_write, number, path) for number in range(12)]:
            each.result()
    assert set(figures.read(path)) == {f"n{number}" for number in range(12)}


def test_the_last_value_replaces_earlier_ones_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    figures.write({"a": figure(1), "b": figure(2, of=3, at_most=2.0)}, path)
    figures.write({"a": figure(4)}, path)
    assert figures.read(path) == {"a": figure(4), "b": figure(2, of=3, at_most=2.0)}


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        ({}, True),
        ({"at_most": 5.0}, True),
        ({"at_most": 4.9}, False),
        ({"at_least": 5.0}, True),
        ({"at_least": 5.1}, False),
        ({"at_least": 4.0, "at_most": 4.5}, False),
    ],
)
def test_a_figure_meets_its_goal_or_misses_it(goal: dict[str, float], met: bool) -> None:
    assert figure(5, **goal).met is met


@pytest.mark.parametrize("name", ["Head deleted", "a..b", "", "a_b"])
def test_a_name_that_no_row_could_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        Measured("t")(name, 1, "s")


def test_a_machine_is_described_without_its_name() -> None:
    import platform

    assert "cores" in figures.machine()
    assert platform.node() not in figures.machine()
