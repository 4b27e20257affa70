"""How much each user may do: requests and tokens per minute, and concurrent requests.

Every replica decides by its own counts and learns the counts of the others about once a second
through `app.access.ledger`, so no request waits for another process. Over all replicas a limit can
therefore be exceeded by what arrives within that second; without the shared ledger each replica
counts alone, and N replicas admit up to N times the limit. Nothing is kept on disk: a restart
starts with full allowances.

Tokens are counted as the engine used them, when a request ends. The last request before the limit
may therefore exceed it, and the debt must be paid off before the next one is admitted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from app.access.roles import Role
from app.errors import RefusedError, too_many

REPLICA = "replica_concurrency"
CONCURRENT, REQUESTS, TOKENS = "concurrent", "requests_per_minute", "tokens_per_minute"


@dataclass(slots=True)
class Bucket:
    """An allowance that refills evenly: `per_minute` each minute, and at most that much at once."""

    at: float
    used: float = 0.0

    def left(self, per_minute: int, now: float) -> float:
        """The allowance that remains now; a negative number is a debt."""
        self.used = max(0.0, self.used - (now - self.at) * per_minute / 60)
        self.at = now
        return per_minute - self.used


@dataclass(slots=True)
class Account:
    """Recent use by one user or service. `running_elsewhere` counts other replicas' requests."""

    requests: Bucket
    tokens: Bucket
    running: int = 0
    running_elsewhere: int = 0


@dataclass(slots=True)
class Changes:
    """What a replica reports to the others: use and logins since its last report, and the number of
    requests that it runs now, each per user or service."""

    spent: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Requests and tokens."""
    failed: dict[str, int] = field(default_factory=dict)
    """Failed logins, by anonymous keys (`app.auth.lockout`)."""
    places: dict[str, list[str]] = field(default_factory=dict)
    """From where users logged in (`app.access.places`)."""
    running: dict[str, int] = field(default_factory=dict)

    def spend(self, key: str, requests: int, tokens: int) -> None:
        """Count requests and tokens of one user or service."""
        before = self.spent.get(key, (0, 0))
        self.spent[key] = (before[0] + requests, before[1] + tokens)

    def add_place(self, user: str, place: str) -> None:
        """Add a login from a place."""
        places = self.places.setdefault(user, [])
        if place not in places:
            places.append(place)

    def add(self, other: "Changes") -> None:
        """Add the use and the logins of `other`; `running` is a state and is not summed."""
        for key, (requests, tokens) in other.spent.items():
            self.spend(key, requests, tokens)
        for key, count in other.failed.items():
            self.failed[key] = self.failed.get(key, 0) + count
        for user, places in other.places.items():
            for place in places:
                self.add_place(user, place)


class Limits:
    """The counts of this replica. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], max_running: int) -> None:
        self._clock = clock
        self.max_running = max_running
        self._accounts: dict[str, Account] = {}
        self._changes = Changes()
        self.running = 0
        """Requests that the engine is processing now, streams included."""

    def admit(self, key: str, role: Role) -> Account:
        """Admit one request of the user `key`, to be ended by `release`.

        RefusedError 429 names the limit that was reached.
        """
        if self.running >= self.max_running:
            limit = f"{self.max_running} concurrent requests"
            raise too_many(REPLICA, 1.0, f"This replica is at its limit of {limit}; retry shortly.")
        now = self._clock()
        account = self._account(key, now)
        running = account.running + account.running_elsewhere
        if role.concurrent is not None and running >= role.concurrent:
            message = f"You have {running} requests running; your role allows {role.concurrent}."
            raise too_many(CONCURRENT, 1.0, message)
        if role.tokens_per_minute is not None:
            left = account.tokens.left(role.tokens_per_minute, now)
            if left <= 0:
                raise _exhausted(TOKENS, role.tokens_per_minute, -left)
        if role.requests_per_minute is not None:
            left = account.requests.left(role.requests_per_minute, now)
            if left < 1:
                raise _exhausted(REQUESTS, role.requests_per_minute, 1 - left)
            account.requests.used += 1
        account.running += 1
        self.running += 1
        self._changes.spend(key, 1, 0)
        return account

    def release(self, key: str, account: Account, tokens: int) -> None:
        """End a request that used this many tokens."""
        account.running -= 1
        self.running -= 1
        account.tokens.used += tokens
        self._changes.spend(key, 0, tokens)

    def take_changes(self) -> Changes:
        """The changes since the last call and the running requests, for the other replicas."""
        changes, self._changes = self._changes, Changes()
        changes.running = {key: a.running for key, a in self._accounts.items() if a.running}
        return changes

    def apply(self, changes: Changes) -> None:
        """Count the changes of other replicas; empty ones mean that none of them runs anything."""
        now = self._clock()
        for key, (requests, tokens) in changes.spent.items():
            account = self._account(key, now)
            account.requests.used += requests
            account.tokens.used += tokens
        for account in self._accounts.values():
            account.running_elsewhere = 0
        for key, count in changes.running.items():
            self._account(key, now).running_elsewhere = count

    def _account(self, key: str, now: float) -> Account:
        """Never dropped: there are only as many accounts as users and service tokens."""
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(Bucket(now), Bucket(now))
        return account


def _exhausted(limit: str, per_minute: int, missing: float) -> RefusedError:
    allowed = f"{per_minute} {limit.replace('_', ' ')}"
    message = f"Your role allows {allowed}; retry after the time in the Retry-After header."
    # A little more, because a debt that is just paid off, or almost, is refused again.
    return too_many(limit, (missing + 0.001) * 60 / per_minute, message)
