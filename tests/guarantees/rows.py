"""The rows of the page of guarantees, from rows.yaml, and what is wrong with them."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.guarantees.figures import ROOT, Figure

LIST = Path(__file__).with_name("rows.yaml")


@dataclass(frozen=True)
class Row:
    """One guarantee; rows.yaml explains the fields."""

    capability: str
    promise: str
    tests: Sequence[str]
    how: str = ""
    goal: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    unmet: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Guarantees:
    """`goals` are the numbered goals of reliability, name -> words."""

    goals: Mapping[str, str]
    sections: Sequence[Section]

    @property
    def rows(self) -> list[Row]:
        return [row for section in self.sections for row in section.rows]


def read(text: str | None = None) -> Guarantees:
    """The list of this checkout, or of `text`."""
    content: dict[str, Any] = yaml.safe_load(LIST.read_text() if text is None else text)
    sections = [
        Section(one["section"], [Row(**row) for row in one["rows"]]) for one in content["sections"]
    ]
    return Guarantees(content["goals"], sections)


def faults(guarantees: Guarantees, figures: Mapping[str, Figure], root: Path = ROOT) -> list[str]:
    """What the list gets wrong about tests and recorded figures, one sentence each."""
    return [
        *_wrong_tests(guarantees, root),
        *_wrong_figures(guarantees, figures, root),
        *(
            f"{row.capability}: there is no goal {row.goal}"
            for row in guarantees.rows
            if row.goal and row.goal not in guarantees.goals
        ),
    ]


def _wrong_tests(guarantees: Guarantees, root: Path) -> Iterator[str]:
    for row in guarantees.rows:
        if not row.tests:
            yield f"{row.capability}: no test is named"
        for named in row.tests:
            if not exists(named, root):
                yield f"{row.capability}: there is no test {named}"


def _wrong_figures(
    guarantees: Guarantees, figures: Mapping[str, Figure], root: Path
) -> Iterator[str]:
    owners: dict[str, str] = {}
    for row in guarantees.rows:
        for name in row.figures:
            if name in owners:
                yield f"{row.capability}: {name} is also a figure of {owners[name]!r}"
            owners[name] = row.capability
        missed = [name for name in row.figures if name in figures and not figures[name].met]
        if missed and not row.unmet:
            yield f"{row.capability}: {', '.join(missed)} misses its goal; write why as `unmet`"
        if row.unmet and not missed:
            yield f"{row.capability}: every figure meets its goal; remove `unmet`"
    for name, figure in figures.items():
        if name not in owners:
            yield f"the figure {name} belongs to no row"
        if not exists(figure.test, root):
            yield f"the figure {name} was recorded by {figure.test}, which does not exist"


def exists(named: str, root: Path = ROOT) -> bool:
    """Whether FILE, FOLDER or FILE::NAME has a test; parameters in brackets are not compared."""
    file, _, name = named.partition("::")
    path = root / file
    if not name:
        files = [path] if path.is_file() else sorted(path.rglob("test_*.py"))
        return any(_functions(each) for each in files)
    return path.is_file() and name.partition("[")[0] in _functions(path)


def _functions(path: Path) -> set[str]:
    """Tests at the top of a module: the only place where this repository has them."""
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }
