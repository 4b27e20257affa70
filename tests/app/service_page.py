"""The tables of docs/service.md that the code generates.

After a change of a role's limit or of a setting of the guard: `python -m tests.app.service_page`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from app.access import roles
from app.guard import settings

PAGE = Path(__file__).parents[2] / "docs" / "service.md"
TABLES: Mapping[str, Callable[[], str]] = {"roles": roles.table, "guard": settings.table}


def written() -> str:
    """The page as it is."""
    return PAGE.read_text(encoding="utf-8")


def generated() -> str:
    """The page with the tables as the code has them."""
    text = written()
    for name, table in TABLES.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
        before, found, rest = text.partition(begin)
        assert found, f"{PAGE} has no line {begin}"
        text = f"{before}{begin}\n{table()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(generated(), encoding="utf-8")
