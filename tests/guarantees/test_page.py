"""The page of guarantees is generated, and every row of it is true about tests and figures."""

from pathlib import Path

import pytest

from tests.guarantees import figures, page, rows
from tests.guarantees.test_figures import figure

GOOD = """
goals: {R3: "A killed engine is replaced"}
sections:
- section: When parts fail
  rows:
  - capability: An engine is killed
    promise: It comes back
    goal: R3
    tests: ["tests/a/test_engine.py::test_killed"]
    how: a real engine
    figures: {engine.seconds: until the first answer}
- section: Clients
  rows:
  - {capability: Clients work, promise: They do, tests: [tests/a/]}
"""
RECORDED = "tests/a/test_engine.py::test_killed[hard]"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "tests" / "a"
    folder.mkdir(parents=True)
    (folder / "test_engine.py").write_text("def test_killed(how: str) -> None: ...\n")
    return tmp_path


def test_the_page_is_up_to_date() -> None:
    advice = "the page is stale. Type: .venv/bin/python -m tests.guarantees"
    assert page.PAGE.read_text() == page.generated(), advice


def test_every_row_and_every_recorded_figure_is_true() -> None:
    assert rows.faults(rows.read(), figures.read()) == []
    assert len(rows.read().rows) > 60


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("test_engine.py::test_killed", "test_gone.py", "there is no test tests/a/test_gone.py"),
        ("::test_killed", "::test_lost", "no test tests/a/test_engine.py::test_lost"),
        ("[tests/a/]", "[tests/b/]", "there is no test tests/b/"),
        ("[tests/a/]", "[]", "no test is named"),
        ("goal: R3", "goal: R4", "there is no goal R4"),
        ("engine.seconds", "other.seconds", "the figure engine.seconds belongs to no row"),
        ("how: a real engine", "unmet: it is slow", "remove `unmet`"),
        (
            "tests: [tests/a/]",
            "tests: [tests/a/], figures: {engine.seconds: again}",
            "is also a figure of",
        ),
    ],
)
def test_each_mistake_in_a_row_is_named(checkout: Path, old: str, new: str, fault: str) -> None:
    known = {"engine.seconds": figure(3, test=RECORDED, at_most=5)}
    assert rows.faults(rows.read(GOOD), known, checkout) == []
    wrong = GOOD.replace(old, new)
    assert wrong != GOOD
    assert any(fault in one for one in rows.faults(rows.read(wrong), known, checkout))


def test_a_figure_of_a_test_that_is_gone_is_named(checkout: Path) -> None:
    known = {"engine.seconds": figure(3, test="tests/a/test_engine.py::test_old")}
    (fault,) = rows.faults(rows.read(GOOD), known, checkout)
    assert "was recorded by tests/a/test_engine.py::test_old" in fault


def test_a_missed_goal_needs_a_reason_and_is_shown_with_it(checkout: Path) -> None:
    known = {"engine.seconds": figure(7, test=RECORDED, at_most=5)}
    (fault,) = rows.faults(rows.read(GOOD), known, checkout)
    assert "engine.seconds misses its goal" in fault
    reasoned = rows.read(GOOD.replace("how: a real engine", "unmet: the machine has two cores."))
    assert rows.faults(reasoned, known, checkout) == []
    shown = page.page(reasoned, known, "")
    assert "**Missed** 7 s (goal: at most 5, 2026-01-02, machine A, load 0.5)" in shown
    assert "Because the machine has two cores." in shown


def test_the_page_shows_each_row_with_its_tests_and_last_figures() -> None:
    known = {"engine.seconds": figure(3, of=4, note="a | b")}
    shown = page.page(rows.read(GOOD), known, "## What it has run on\n| a | b |\n")
    assert "| An engine is killed (R3) | It comes back | until the first answer: 3 of 4 s " in shown
    assert "a \\| b" in shown
    assert "`tests/a/test_engine.py::test_killed` (a real engine) |" in shown
    assert "| Clients work | They do | `tests/a/` |" in shown, "no empty column of figures"
    assert shown.endswith("| a | b |\n| Figures A | m |\n")
    assert "not measured yet" in page.page(rows.read(GOOD), {}, "")
