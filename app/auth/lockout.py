"""How often passwords may be guessed, without letting a guesser lock anybody out.

Failed logins are counted in four ways, each with an allowance that fades evenly:

- by user and place (`app.auth.origin`): five at once, then one per minute;
- by place, over all names;
- by /48 of IPv6, over all names;
- by user, over all places from which this user has never logged in.

A place from which the user has logged in before is subject to the first only. Guesses from
elsewhere can therefore delay a user at new places, but not where the user usually is. Names that no
user has are counted like all others, so the answers are the same.

Counts are per replica and in memory; the other replicas learn of failures and of places through
`app.access.ledger` within about a second. All keys are hashes under a key derived from the signing
key, and reveal neither names nor addresses. Existing tokens remain valid whatever is exhausted.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.access.limits import Changes
from app.access.places import Places
from app.auth.allowances import Allowances
from app.auth.origin import origin
from app.errors import RefusedError, too_many

FAILURES, EVERY_S = 5, 60.0
PER_USER, PER_PLACE, PER_NETWORK = 60, 120, 480
"""Failures per hour; the defaults of the settings."""
_MAX_REPORTED = 10_000
"""Logins between two reports: more than replicas can verify while a ledger is unavailable."""
_PAIR, _PLACE, _NETWORK, _USER = "pair", "place", "network", "user"
_MESSAGES = {
    _PAIR: f"This user had {FAILURES} failed logins at this address",
    _PLACE: "This address had too many failed logins",
    _NETWORK: "This /48 of IPv6 had too many failed logins",
    _USER: "This user had too many failed logins from new addresses",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login that may fail: the anonymous keys under which it counts, and its place in the queue
    (`app.auth.fair_queue`)."""

    user: str
    pair: str
    """Of user and place."""
    keys: Sequence[tuple[str, str]]
    """The kind of count and the key, for each count."""
    path: Sequence[str]


class Lockout:
    """The counts of this replica. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        clock: Callable[[], float],
        per_user: int = PER_USER,
        per_place: int = PER_PLACE,
        per_network: int = PER_NETWORK,
    ) -> None:
        self._clock = clock
        self._counts = {
            _PAIR: Allowances(FAILURES, EVERY_S, "login_failures"),
            _PLACE: Allowances.hourly(per_place, "login_failures_per_address"),
            _NETWORK: Allowances.hourly(per_network, "login_failures_per_network"),
            _USER: Allowances.hourly(per_user, "login_failures_per_user"),
        }
        self._places = Places()
        self._changes, self._reported = Changes(), 0

    def attempt(self, username: str, address: str, secret: bytes) -> Attempt:
        """An attempt to log in, before anything is known about it. `secret` is the same at all
        replicas."""
        source = origin(address)
        key = hashlib.sha256(b"rayline login\0" + secret).digest()
        place, network = _anonymous(key, source.place), _anonymous(key, source.network)
        user, pair = _anonymous(key, username), _anonymous(key, username, source.place)
        if (user, pair) in self._places:
            # Apart from its neighbours, so that no flood from the same address fills its lane.
            return Attempt(user, pair, ((_PAIR, pair),), ("known", network, pair))
        counted = [(_PAIR, pair), (_PLACE, place), (_USER, user)]
        if source.one_owner:
            counted.append((_NETWORK, network))
        return Attempt(user, pair, counted, ("new", network, place))

    def check(self, attempt: Attempt) -> None:
        """RefusedError 429, for the longest wait, where the attempt may not fail now."""
        now = self._clock()
        waits = [(self._counts[kind].wait_s(key, now), kind) for kind, key in attempt.keys]
        seconds, kind = max(waits)
        if seconds > 0:
            raise _exhausted(self._counts[kind], _MESSAGES[kind], seconds)

    def begin(self, attempt: Attempt) -> None:
        """Start the attempt, to be finished by `end`; RefusedError as `check`."""
        self.check(attempt)
        for kind, key in attempt.keys:
            self._counts[kind].begin(key)

    def end(self, attempt: Attempt, succeeded: bool) -> None:
        """Finish the attempt: count a failure, or remember the place of a success."""
        for kind, key in attempt.keys:
            self._counts[kind].end(key)
        if succeeded:
            self._remember({attempt.user: [attempt.pair]})
            self._report().add_place(attempt.user, attempt.pair)
            return
        failed = self._report().failed
        for kind, key in attempt.keys:
            self._fail(kind, key, 1)
            name = f"{kind}:{key}"
            failed[name] = failed.get(name, 0) + 1

    def take_changes(self, into: Changes, everything: bool) -> None:
        """Put the failures and the places since the last call into a report for the other replicas;
        all places, if `everything`."""
        into.failed, into.places = self._changes.failed, self._changes.places
        if everything:
            into.places = self._places.as_lists()
        self._changes, self._reported = Changes(), 0

    def apply(self, changes: Changes) -> None:
        """Count the failures, and remember the places, that other replicas reported."""
        for name, count in changes.failed.items():
            kind, _, key = name.partition(":")
            self._fail(kind, key, count)
        self._remember(changes.places)

    def _report(self) -> Changes:
        """The next report, which starts anew where nobody takes it."""
        self._reported += 1
        if self._reported > _MAX_REPORTED:
            self._changes, self._reported = Changes(), 0
        return self._changes

    def _remember(self, places: Mapping[str, Sequence[str]]) -> None:
        self._places.add_all(places)
        for pairs in places.values():
            for pair in pairs:
                self._counts[_PAIR].forgive(pair)

    def _fail(self, kind: str, key: str, count: int) -> None:
        self._counts[kind].fail(key, self._clock(), count)


def _anonymous(key: bytes, *parts: str) -> str:
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).hexdigest()


def _exhausted(count: Allowances, reason: str, wait_s: float) -> RefusedError:
    message = (
        f"{reason}. Retry after the time in the Retry-After header; existing tokens remain valid."
    )
    return too_many(count.limit, wait_s, message)
