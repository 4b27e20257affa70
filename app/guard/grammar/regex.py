"""The size of a regular expression once its counted repetitions are written out.

`a{1000}` is seven characters and a thousand states; `(a{100}){100}` is ten thousand. The measure
reads the syntax that all engines of vLLM share (xgrammar's, llguidance's, outlines'): escapes,
classes, groups, alternatives and quantifiers. What it cannot read counts by its length.
"""

import re
from typing import NamedTuple

LENGTH = 2048
"""Characters of one expression."""
STATES = 4096
"""States of one expression."""
NESTING = 16
"""Groups inside groups."""
REPEATED_LOOPS = 3
"""Unbounded quantifiers inside each other: `(a+)+` has two."""

_COUNTED = re.compile(r"\{(\d{0,9})(,?)(\d{0,9})\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_WIDE_CLASS = re.compile(r"\[\^|\\[WSDpPux]|[^\x00-\x7f]")
_HUGE = 10**9


class Size(NamedTuple):
    """`states` counts characters and classes, `wide` those of them that match most of Unicode, each
    of which is an automaton over UTF-8. `problem` is what the form itself makes too expensive."""

    states: int
    wide: int
    problem: str | None


class _Group:
    """The part of an expression between two parentheses."""

    __slots__ = ("last", "loops", "states", "wide")

    def __init__(self) -> None:
        self.states = self.wide = self.loops = 0
        self.last = (0, 0, 0)

    def add(self, states: int = 1, wide: int = 0, loops: int = 0) -> None:
        self.states += states
        self.wide += wide
        self.loops = max(self.loops, loops)
        self.last = (states, wide, loops)

    def repeat(self, times: int, unbounded: bool) -> None:
        """Apply a quantifier to the last atom or group."""
        states, wide, loops = self.last
        times = max(times, 1)
        self.states -= states
        self.wide -= wide
        self.add(min(states * times, _HUGE), min(wide * times, _HUGE), loops + unbounded)


def size(expression: str) -> Size:
    """The size of an expression."""
    if len(expression) > LENGTH:
        text = f"has {len(expression)} characters; allowed: {LENGTH}"
        return Size(len(expression), len(expression), text)
    groups, deepest = _groups(expression)
    states, wide = sum(g.states for g in groups), sum(g.wide for g in groups)
    problem = None
    if states > STATES:
        problem = f"has {states} states with its repetitions written out; allowed: {STATES}"
    elif deepest > NESTING:
        problem = f"nests groups deeper than {NESTING} levels"
    elif max(g.loops for g in groups) > REPEATED_LOOPS:
        problem = f"repeats a repetition more than {REPEATED_LOOPS} times over"
    return Size(states, wide, problem)


def _groups(expression: str) -> tuple[list[_Group], int]:
    """The groups that are open at the end, so usually one, and the depth of the deepest."""
    groups, deepest, at = [_Group()], 0, 0
    while at < len(expression):
        character, step = expression[at], 1
        top = groups[-1]
        if character == "\\":
            top.add(wide=int(expression[at + 1 : at + 2] in set("WSDpP")))
            step = 2
        elif character == "[" and (found := _CLASS.match(expression, at)):
            top.add(wide=int(_WIDE_CLASS.search(found.group()) is not None))
            step = len(found.group())
        elif character == "(":
            groups.append(_Group())
            deepest = max(deepest, len(groups) - 1)
        elif character == ")" and len(groups) > 1:
            groups.pop()
            groups[-1].add(top.states, top.wide, top.loops)
        elif character in "*+?":
            top.repeat(1, character != "?")
        elif character == "{" and (found := _COUNTED.match(expression, at)):
            low, comma, high = found.groups()
            top.repeat(max(int(low or 0), int(high or 0)), bool(comma and not high))
            step = len(found.group())
        else:
            top.add(wide=int(character == "."))
        at += step
    return groups, deepest
