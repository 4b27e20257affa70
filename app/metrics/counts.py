"""What one replica has answered: requests, tokens, refusals and logins.

Counting is on the way of every request, so it only adds to numbers in memory; `app.metrics.export`
passes them on. Labels are roles, templates of routes, statuses and our own words, never what a
client chose: neither a path nor a model's name in a request makes a series.
"""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_SERIES = 1000
"""Of one metric in one replica. Further ones are counted together as `OTHER`. Ray's own library
keeps 2000 and drops the rest."""
OTHER = "other"
NOBODY = "none"
"""The role of a caller who was not identified, and the route of a request that has none."""

REQUESTS = "rayline_requests"
PROMPT_TOKENS, COMPLETION_TOKENS = "rayline_prompt_tokens", "rayline_completion_tokens"
REFUSALS, LOGINS = "rayline_refusals", "rayline_logins"
COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    REQUESTS: ("Answered requests.", ("role", "user", "route", "status")),
    PROMPT_TOKENS: ("Tokens of prompts.", ("role", "user", "route")),
    COMPLETION_TOKENS: ("Generated tokens.", ("role", "user", "route")),
    REFUSALS: ("Requests that the guard refused.", ("role", "route", "reason")),
    LOGINS: ("Logins by their outcome.", ("role", "outcome")),
}
"""Each counter's description and labels. `user` is empty unless users are counted by name."""

_OUTCOMES = {200: "succeeded", 401: "failed", 429: "limited"}
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """One request that has ended."""

    role: str
    user: str
    route: str
    status: int
    """As it was sent; 0 if the client left before."""
    refusal: str
    """The word for why the guard refused it; empty if it did not."""
    prompt_tokens: int
    completion_tokens: int


class Counts:
    """The sums since the replica's start. `by_user`: with the names of users."""

    def __init__(self, *, by_user: bool = False) -> None:
        self._by_user = by_user
        self._sums: dict[str, dict[_Key, int]] = {name: {} for name in COUNTERS}

    def add(self, answered: Answered) -> None:
        """Count a request. A login is one too."""
        role, route = answered.role, answered.route
        user = answered.user if self._by_user else ""
        self._add(REQUESTS, (role, user, route, str(answered.status)), 1)
        if answered.prompt_tokens:
            self._add(PROMPT_TOKENS, (role, user, route), answered.prompt_tokens)
        if answered.completion_tokens:
            self._add(COMPLETION_TOKENS, (role, user, route), answered.completion_tokens)
        if answered.refusal:
            self._add(REFUSALS, (role, route, answered.refusal), 1)
        if route == "/token":
            self._add(LOGINS, (role, _OUTCOMES.get(answered.status, "invalid")), 1)

    def sums(self) -> Iterator[tuple[str, dict[str, str], int]]:
        """Each metric's name, labels, and sum."""
        for name, by_key in self._sums.items():
            labels = COUNTERS[name][1]
            for key, value in by_key.items():
                yield name, dict(zip(labels, key, strict=True)), value

    def _add(self, name: str, key: _Key, amount: int) -> None:
        sums = self._sums[name]
        before = sums.get(key)
        if before is None:
            if len(sums) >= MAX_SERIES:
                key = (OTHER,) * len(key)
            before = sums.get(key, 0)
        sums[key] = before + amount
