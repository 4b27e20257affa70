"""Reading the numbers of a request's JSON before they are compared with a limit."""

from typing import Any

from app.errors import out_of_bounds


def integer(field: str, value: Any) -> int:
    """A JSON number without a fraction. Text such as "9" is refused: vLLM would read it as 9."""
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise out_of_bounds(field, "must be an integer")


def shortened(value: Any) -> str:
    """The value for a message, cut to 20 characters: a number may have thousands of digits."""
    text = str(value)
    return text if len(text) <= 20 else text[:20] + "..."
