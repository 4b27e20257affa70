"""Judges one request along its places: sizes, counts, media and what only operators may set."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.access.fields import integer, shortened
from app.errors import RefusedError, out_of_bounds
from app.guard.bounds import Bounds
from app.guard.fields.kinds import Kind
from app.guard.fields.media import check_address
from app.guard.fields.schema import Node

_TENSORS = frozenset({"image_pil", "image_embeds", "audio_embeds", "video_embeds", "prompt_embeds"})


class Judge:
    """Judges one document. `operates`: the caller may set what reaches into the engine."""

    __slots__ = ("_bounds", "_media_count", "_operates", "_waiting")

    def __init__(self, node: Node, document: Mapping[str, Any], bounds: Bounds, operates: bool):
        self._bounds = bounds
        self._operates = operates
        # Iterators, because a list of what is left would be as large as the request.
        self._waiting: list[tuple[Node, Iterator[Any]]] = [(node, iter((document,)))]
        self._media_count = 0

    def step(self, values: int) -> bool:
        """Judge as many values, and say whether any are left.

        RefusedError 400 for what exceeds a bound.
        """
        waiting = self._waiting
        while waiting and values > 0:
            values -= 1
            node, rest = waiting[-1]
            value = next(rest, _END)
            if value is _END:
                waiting.pop()
            elif type(value) is dict:
                self._members(node, value)
            elif type(value) is list:
                self._enter(node, value)
        return bool(waiting)

    def _members(self, node: Node, value: dict[str, Any]) -> None:
        fields = node.fields
        for name, given in value.items():
            field = fields.get(name)
            below = node.values
            if field is not None:
                for kind in field.kinds:
                    if given is not None or kind.name == "closed":
                        _CHECKS[kind.name](self, name, given, kind)
                below = field.node
            if below is not None and type(given) in _CONTAINERS:
                self._enter(below, given)

    def _enter(self, node: Node, value: Any) -> None:
        """Have the value judged next: an object, or the items of a list."""
        if type(value) is dict:
            self._waiting.append((node, iter((value,))))
        elif node.items is not None:
            self._waiting.append((node.items, iter(value)))

    def _count(self, name: str, value: Any, kind: Kind) -> None:
        most: int = getattr(self._bounds, kind.bound)
        if not kind.least <= integer(name, value) <= most:
            problem = f"is {shortened(value)}; allowed: {kind.least} to {most}"
            raise out_of_bounds(name, problem)

    def _list(self, name: str, value: Any, kind: Kind, unit: str = "entries") -> None:
        most: int = getattr(self._bounds, kind.bound)
        if type(value) in _CONTAINERS and len(value) > most:
            raise _too_many(name, len(value), unit, most)

    def _texts(self, name: str, value: Any, kind: Kind) -> None:
        self._list(name, value, kind)
        most = self._bounds.stop_bytes
        for text in value if type(value) is list else [value]:
            if type(text) is str and len(text.encode(errors="replace")) > most:
                raise out_of_bounds(name, f"contains a text of more than {most} bytes")

    def _prompts(self, name: str, value: Any, kind: Kind) -> None:
        # A list of numbers is one prompt as token ids, and a list of messages one conversation.
        if type(value) is list and not (value and type(value[0]) in (int, dict)):
            self._list(name, value, kind, "prompts")

    def _messages(self, name: str, value: Any, kind: Kind) -> None:
        if type(value) is list and list in map(type, value):
            self._list(name, value, kind, "conversations")

    def _media(self, name: str, value: Any, kind: Kind) -> None:
        self._add_medium()
        address = value.get("url") if type(value) is dict else value
        if address is not None:
            check_address(name, address, self._bounds)

    def _media_list(self, name: str, value: Any, kind: Kind) -> None:
        for address in value if type(value) is list else [value]:
            self._media(name, address, kind)

    def _clip(self, name: str, value: Any, kind: Kind) -> None:
        self._add_medium()
        if type(value) is not dict:
            raise out_of_bounds(name, "must be an object with data and format")

    def _source(self, name: str, value: Any, kind: Kind) -> None:
        self._add_medium()
        if type(value) is not dict:
            raise out_of_bounds(name, "must be an object with a type, and data or an address")
        if value.get("url") is not None:
            check_address("url", value["url"], self._bounds)

    def _add_medium(self) -> None:
        self._media_count += 1
        if self._media_count > self._bounds.media_parts:
            raise _too_many("messages", self._media_count, "media parts", self._bounds.media_parts)

    def _part_type(self, name: str, value: Any, kind: Kind) -> None:
        if type(value) is str and value in _TENSORS:
            self._privileged(value, True, kind)

    def _template_arguments(self, name: str, value: Any, kind: Kind) -> None:
        if type(value) is dict and value.get("chat_template") is not None:
            self._privileged("chat_template", True, kind)

    def _privileged(self, name: str, value: Any, kind: Kind) -> None:
        if not self._operates:
            raise out_of_bounds(name, "may not be set by your role; omit it")

    def _priority(self, name: str, value: Any, kind: Kind) -> None:
        if not self._operates and value != 0:
            raise out_of_bounds(name, "is determined by your role; omit it")

    def _closed(self, name: str, value: Any, kind: Kind) -> None:
        problem = "is new in this version of vLLM, and the guard does not know it yet; omit it"
        raise out_of_bounds(name, problem)

    def _parts(self, name: str, value: Any, kind: Kind) -> None:
        """Its place says what is judged below it."""


_CONTAINERS = frozenset({dict, list})
_END = object()
_LONG = 16
SLICE = 2000
"""Values that are judged before other requests get a turn: 2 to 5 ms."""
_CHECKS: Mapping[str, Callable[[Judge, str, Any, Kind], None]] = {
    "count": Judge._count,
    "list": Judge._list,
    "texts": Judge._texts,
    "prompts": Judge._prompts,
    "messages": Judge._messages,
    "media": Judge._media,
    "media list": Judge._media_list,
    "clip": Judge._clip,
    "source": Judge._source,
    "part type": Judge._part_type,
    "parts": Judge._parts,
    "template arguments": Judge._template_arguments,
    "privileged": Judge._privileged,
    "privileged here": Judge._privileged,
    "priority": Judge._priority,
    "closed": Judge._closed,
}


async def check_depth(document: Mapping[str, Any], most: int) -> None:
    """Raise RefusedError 400 for JSON with more levels than `most`."""
    level: list[Any] = [document]
    depth = 0
    while level:
        depth += 1
        if depth > most:
            text = f"The JSON is nested too deeply; allowed: {most} levels."
            raise RefusedError(400, "out_of_bounds", text)
        below: list[Any] = []
        for start in range(0, len(level), SLICE):
            if start:
                await asyncio.sleep(0)
            for container in level[start : start + SLICE]:
                inner = container.values() if type(container) is dict else container
                # A long list of numbers or texts is the usual one; this is its fastest reading.
                if len(inner) < _LONG or not _CONTAINERS.isdisjoint(map(type, inner)):
                    below += [value for value in inner if type(value) in _CONTAINERS and value]
        level = below


def _too_many(field: str, count: int, unit: str, limit: int) -> RefusedError:
    return out_of_bounds(field, f"has {count} {unit}; allowed: {limit}")
