"""The size of a regular expression once its counted repetitions are written out.

`a{1000}` is seven characters and a thousand states; `(a{100}){100}` is ten thousand. The measure
reads the syntax that all engines of vLLM share (xgrammar's, llguidance's, outlines'): escapes,
classes, groups, alternatives and quantifiers. What it cannot read counts by its length.
"""

import re

LENGTH = 2048
"""Characters of one expression."""
STATES = 4096
"""States of one expression that a client sends as such; patterns of schemas have fewer."""
NESTING = 16
"""Groups inside groups."""
REPEATED_LOOPS = 3
"""Unbounded quantifiers inside each other: `(a+)+` has two."""

_COUNTED = re.compile(r"\{(\d{0,9})(,?)(\d{0,9})\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_HUGE = 10**9


class _Group:
    """The part of an expression between two parentheses."""

    __slots__ = ("last", "last_loops", "loops", "size")

    def __init__(self) -> None:
        self.size = self.last = 0
        self.loops = self.last_loops = 0

    def add(self, size: int, loops: int = 0) -> None:
        self.size += size
        self.last, self.last_loops = size, loops
        self.loops = max(self.loops, loops)

    def repeat(self, times: int, unbounded: bool) -> None:
        """Apply a quantifier to the last atom or group."""
        more = min(self.last * max(times, 1), _HUGE) - self.last
        self.size += more
        self.last += more
        self.last_loops += unbounded
        self.loops = max(self.loops, self.last_loops)


def size(expression: str) -> tuple[int, str | None]:
    """The states of the expression, and what is wrong with its form, if anything is."""
    if len(expression) > LENGTH:
        return len(expression), f"has {len(expression)} characters; allowed: {LENGTH}"
    groups = [_Group()]
    at = 0
    while at < len(expression):
        character = expression[at]
        if character == "\\":
            groups[-1].add(1)
            at += 2
        elif character == "[" and (found := _CLASS.match(expression, at)):
            groups[-1].add(1)
            at = found.end()
        elif character == "(":
            groups.append(_Group())
            if len(groups) > NESTING:
                return groups[0].size, f"nests groups deeper than {NESTING} levels"
            at += 1
        elif character == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1].add(inner.size, inner.loops)
            at += 1
        elif character in "*+?":
            groups[-1].repeat(1, character != "?")
            at += 1
        elif character == "{" and (found := _COUNTED.match(expression, at)):
            low, comma, high = found.groups()
            groups[-1].repeat(max(int(low or 0), int(high or 0)), bool(comma and not high))
            at = found.end()
        else:
            groups[-1].add(1)
            at += 1
    total, loops = sum(g.size for g in groups), max(g.loops for g in groups)
    if loops > REPEATED_LOOPS:
        return total, f"repeats a repetition more than {REPEATED_LOOPS} times over"
    return total, None
