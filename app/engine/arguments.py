"""Turns engine settings into vLLM's own parsed arguments, so vLLM checks every name and type."""

import argparse
import difflib
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from app.errors import ConfigurationError


def parse(arguments: Mapping[str, object]) -> Any:
    """The namespace that `vllm serve` would have for these arguments.

    Raises `ConfigurationError` for a name that vLLM does not know, with the most similar known
    names, and for a value that vLLM rejects, with its own message.
    """
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser())
    parser.error = refuse
    known = {action.dest: action for action in parser._actions if action.option_strings}
    line: list[str] = []
    for name, value in arguments.items():
        if name not in known:
            raise ConfigurationError(unknown(name, known))
        line += words(known[name], name, value)
    namespace = parser.parse_args(line)
    try:
        validate_parsed_serve_args(namespace)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"vLLM rejects the engine's arguments: {error}") from error
    return namespace


def refuse(message: str) -> NoReturn:
    """Replaces argparse's own `error`, which ends the process."""
    raise ConfigurationError(f"vLLM rejects an engine argument: {message}")


def unknown(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"ENGINE_ARGS contains {name}, which is not an engine argument of this vLLM.{hint}"


def words(action: argparse.Action, name: str, value: object) -> list[str]:
    """One argument as words of a command line. None keeps vLLM's default."""
    if value is None:
        return []
    option = next(text for text in action.option_strings if text.startswith("--"))
    if isinstance(value, bool) and action.nargs == 0:
        off = [text for text in action.option_strings if text.startswith("--no-")]
        # Without a `--no-` form it is a plain switch, which is off when absent.
        return [option] if value else off[:1]
    if isinstance(value, list) and action.nargs in ("+", "*"):
        return [option, *(as_text(item) for item in value)]
    return [f"{option}={as_text(value)}"]


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
