"""The page of guarantees: the rows, each with its tests and the last figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.guarantees import figures, rows
from tests.guarantees.figures import ROOT, Figure
from tests.guarantees.rows import Guarantees, Row, Section

PAGE = ROOT / "docs" / "guarantees.md"
RAN_ON = Path(__file__).with_name("ran_on.md")
HEAD = """\
# Guarantees and tests
What rayline guarantees, the tests that prove it, and what they measured last. A capability without
a row is not guaranteed. What is known not to work is in [Known limits](reference/known-limits.md).

This page is generated: `.venv/bin/python -m tests.guarantees`. The figures are those of
`docs/reference/measured.json`, which tests write when they run with `RAYLINE_RECORD=1`; the load is
the machine's average number of waiting processes at that time. **Missed** marks a figure that does
not reach its goal, and the row says why.
"""


def generated() -> str:
    """The page as it should be."""
    return page(rows.read(), figures.read(), RAN_ON.read_text())


def page(guarantees: Guarantees, known: Mapping[str, Figure], ran_on: str) -> str:
    machines = list(dict.fromkeys(known[name].machine for name in sorted(known)))
    return "\n".join(
        [
            HEAD,
            *(_section(section, known, machines) for section in guarantees.sections),
            _goals(guarantees),
            ran_on.rstrip("\n"),
            *(f"| Figures {_letter(n)} | {machine} |" for n, machine in enumerate(machines)),
            "",
        ]
    )


def _section(section: Section, known: Mapping[str, Figure], machines: Sequence[str]) -> str:
    """A column of figures only where a row has one."""
    measured = any(row.figures for row in section.rows)
    head = ["capability", "guarantee", *(["last figures"] if measured else []), "tests"]
    lines = [f"## {section.title}", _line(head), _line(["---"] * len(head))]
    for row in section.rows:
        cells = [row.capability + (f" ({row.goal})" if row.goal else ""), row.promise]
        if measured:
            cells.append(_figures(row, known, machines))
        lines.append(_line([*cells, _tests(row)]))
    return "\n".join([*lines, ""])


def _figures(row: Row, known: Mapping[str, Figure], machines: Sequence[str]) -> str:
    parts = [
        f"{words}: {_figure(known[name], machines) if name in known else 'not measured yet'}"
        for name, words in row.figures.items()
    ]
    return "<br>".join([*parts, *([f"Because {row.unmet}"] if row.unmet else [])])


def _figure(figure: Figure, machines: Sequence[str]) -> str:
    value = f"{figure.value:g}" + (f" of {figure.of}" if figure.of is not None else "")
    goals = (("at most", figure.at_most), ("at least", figure.at_least))
    goal = " and ".join(f"{words} {limit:g}" for words, limit in goals if limit is not None)
    details = [
        *([f"goal: {goal}"] if goal else []),
        figure.date,
        f"machine {_letter(machines.index(figure.machine))}",
        f"load {figure.load:g}",
    ]
    missed = "" if figure.met else "**Missed** "
    note = "; " + figure.note.replace("|", "\\|") if figure.note else ""
    return f"{missed}{value} {figure.unit} ({', '.join(details)}){note}"


def _tests(row: Row) -> str:
    named = ", ".join(f"`{test}`" for test in row.tests)
    return f"{named} ({row.how})" if row.how else named


def _goals(guarantees: Guarantees) -> str:
    lines = [_line([name, words]) for name, words in guarantees.goals.items()]
    return "\n".join(["## Goals of reliability", _line(["goal", ""]), "|---|---|", *lines, ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _letter(number: int) -> str:
    return chr(ord("A") + number)
