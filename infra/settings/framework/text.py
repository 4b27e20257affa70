"""A text with a grammar: what it may contain, in words, as a pattern, and with an example."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

GRAMMAR: Final = "grammar"
"""The kind of error of a text that has another form."""
NOT_TEXT: Final = "not_text"
"""The kind of error of a number or truth value in place of a text."""

# How Pulumi passes on a date without quotes, 2026-01-31.
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) 00:00:00 \+0000 UTC")

Refine = Callable[[str], str | None]


@dataclass(frozen=True)
class Text:
    """Annotates a `str`: `Name = Annotated[str, Text(...)]`.

    `pattern` matches the whole text, in the part of the syntax that Python and ECMAScript share;
    `words` continue "it must be". `longest` is in characters. `refine` returns what a text must be
    that matches the pattern and is still wrong. `repair` returns the text that was probably meant.
    """

    pattern: str
    words: str
    example: str
    longest: int
    refine: Refine | None = None
    repair: Refine | None = None
    numbers: bool = False
    """Whether a number is a way to write the text, as in `cpu: 0.5`."""
    strip: bool = True
    """Whether white space around the text is removed."""

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # No coercion of numbers: YAML has already read 1.10 as 1.1, and Pulumi passes 2.0 as 2.
        plain = core_schema.str_schema(
            strip_whitespace=self.strip, coerce_numbers_to_str=self.numbers
        )
        checked = core_schema.no_info_after_validator_function(self._check, plain)
        return core_schema.no_info_before_validator_function(self._is_text, checked)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        node = handler(schema)
        return {
            **node,
            "pattern": f"^(?:{self.pattern})$",
            "maxLength": self.longest,
            "examples": [self.example],
        }

    def _is_text(self, value: Any) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, str) and (found := _DATE.fullmatch(value)):
            raise self._refusal(NOT_TEXT, self.words, found[1])
        if isinstance(value, bool) or (is_number and not self.numbers):
            raise self._refusal(NOT_TEXT, self.words, json.dumps(value))
        return value

    def _check(self, value: str) -> str:
        if words := self.wrong(value):
            raise self._refusal(GRAMMAR, words, value)
        return value

    def wrong(self, value: str) -> str | None:
        """What a text must be, if it is not of this form."""
        if len(value) > self.longest or not re.fullmatch(self.pattern, value):
            return self.words
        return self.refine(value) if self.refine is not None else None

    def _refusal(self, kind: Literal["grammar", "not_text"], words: str, given: str) -> Exception:
        guesses = (given, self.repair(given) if self.repair else None)
        fits = (guess for guess in guesses if guess is not None and not self.wrong(guess))
        context = {"words": words, "repair": next(fits, self.example)}
        return PydanticCustomError(kind, "{words}", context)
