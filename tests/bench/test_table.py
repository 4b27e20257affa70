"""The numbers of the benchmark, from known samples."""

import pytest

from bench.table import (
    BARE,
    HEADER,
    Answer,
    Round,
    Turn,
    markdown,
    order,
    others,
    percentile,
    table,
)


def a_round(name: str, number: int, seconds: float, first_ms: float, streams: int = 1) -> Round:
    """Two answers of 50 tokens; the second is a millisecond later."""
    answers = tuple(Answer((first_ms + late) / 1000, 1.0 + late / 1000, 50) for late in (0, 1))
    return Round(name, streams, number, Turn(seconds, 0.2, seconds / 2, answers))


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_a_measured_value(percent: float, expected: int) -> None:
    assert percentile([*range(100, 0, -1)], percent) == expected


def test_the_percentile_of_one_value_is_the_value() -> None:
    assert percentile([7.0], 99) == 7.0


def test_ratios_compare_turns_of_the_same_cycle() -> None:
    """Both contenders are half as fast in the second turn, so the ratio stays 1."""
    rounds = [
        a_round(BARE, 0, 1.0, 10),
        a_round(BARE, 1, 2.0, 20),
        a_round("front", 1, 2.0, 23),
        a_round("front", 0, 1.0, 11),
    ]
    bare, front = table(rounds)
    assert bare == ("1", BARE, "1.50", "75", "1", "11.0", "21.0", "", "", "2000")
    assert front[4] == "1.000 (1.000 to 1.000)"
    assert front[7] == "2.0 (1.0 to 3.0)"
    assert front[8] == "0.0 (0.0 to 0.0)"


def test_rows_are_grouped_by_streams() -> None:
    rounds = [a_round(name, 0, 1.0, 10, n) for n in (1, 8) for name in (BARE, "front")]
    assert [cells[:2] for cells in table(rounds)] == [
        ("1", BARE), ("1", "front"), ("8", BARE), ("8", "front"),
    ]  # fmt: skip


def test_a_missing_turn_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        table([a_round(BARE, 0, 1.0, 10), a_round(BARE, 1, 1.0, 10), a_round("front", 0, 1.0, 10)])


def test_other_work_is_shown_in_cores() -> None:
    assert others([a_round(BARE, 0, 4.0, 10)]) == "0.50 (0.50 to 0.50)"


def test_markdown_has_a_cell_for_every_column() -> None:
    rows = table([a_round(BARE, 0, 1.0, 10)])
    assert {line.count("|") for line in markdown(rows).splitlines()} == {len(HEADER) + 1}


def test_every_contender_is_first_equally_often() -> None:
    names = ["a", "b", "c"]
    turns = [order(names, turn) for turn in range(6)]
    assert [turn[0] for turn in turns] == ["a", "b", "c", "a", "b", "c"]
    assert all(sorted(turn) == names for turn in turns)
