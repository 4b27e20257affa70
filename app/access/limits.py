"""How much each user may do: requests and tokens a minute, requests at once.

Every replica decides by its own counts and hears from the others about once a second through
`app.access.ledger`, so no request waits for another process. Over all replicas a limit can
therefore be exceeded by what arrives within that second; without the shared ledger each replica
counts alone, and N replicas let N times the limit through. Nothing is kept on disk: a restart
starts with full allowances.

Tokens are counted as the engine used them, when a request ends: the last request before the limit
may go over it, and the debt is worked off before the next one is let in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from app.auth.identity import Identity
from app.errors import RefusedError, too_many

REPLICA = "replica_concurrency"
CONCURRENT, REQUESTS, TOKENS = "concurrent", "requests_per_minute", "tokens_per_minute"


@dataclass(slots=True)
class Bucket:
    """An allowance that fills evenly, `per_minute` in a minute and at most that much at once."""

    at: float
    used: float = 0.0

    def left(self, per_minute: int, now: float) -> float:
        """What may still be used now; negative is a debt."""
        self.used = max(0.0, self.used - (now - self.at) * per_minute / 60)
        self.at = now
        return per_minute - self.used


@dataclass(slots=True)
class Account:
    """What one user or service has done lately. `running_elsewhere` is other replicas' count."""

    requests: Bucket
    tokens: Bucket
    running: int = 0
    running_elsewhere: int = 0


@dataclass(slots=True)
class News:
    """What replicas tell each other: spent requests and tokens, failed logins, requests running."""

    spent: dict[str, tuple[int, int]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)

    def spend(self, key: str, requests: int, tokens: int) -> None:
        """One user or service used this much more."""
        before = self.spent.get(key, (0, 0))
        self.spent[key] = (before[0] + requests, before[1] + tokens)

    def add(self, other: "News") -> None:
        """Take in another's spent and failed; running is not summed here."""
        for key, (requests, tokens) in other.spent.items():
            self.spend(key, requests, tokens)
        for key, count in other.failed.items():
            self.failed[key] = self.failed.get(key, 0) + count


class Limits:
    """The counts of this replica. `clock` is in seconds and never goes back."""

    def __init__(self, clock: Callable[[], float], most_running: int) -> None:
        self._clock = clock
        self._most_running = most_running
        self._accounts: dict[str, Account] = {}
        self._news = News()
        self.running = 0
        """Requests that are with the engine now, streams included."""

    def admit(self, who: Identity) -> Account:
        """Let one request in, to be given back by `release`; RefusedError 429 names the limit."""
        if self.running >= self._most_running:
            message = f"This replica has its {self._most_running} requests; try again shortly."
            raise too_many(REPLICA, 1.0, message)
        role, now = who.role, self._clock()
        account = self._account(who.key, now)
        running = account.running + account.running_elsewhere
        if role.concurrent is not None and running >= role.concurrent:
            message = f"You have {running} requests running; your role allows {role.concurrent}."
            raise too_many(CONCURRENT, 1.0, message)
        if role.tokens_per_minute is not None:
            left = account.tokens.left(role.tokens_per_minute, now)
            if left <= 0:
                raise _empty(TOKENS, role.tokens_per_minute, -left)
        if role.requests_per_minute is not None:
            left = account.requests.left(role.requests_per_minute, now)
            if left < 1:
                raise _empty(REQUESTS, role.requests_per_minute, 1 - left)
            account.requests.used += 1
        account.running += 1
        self.running += 1
        self._news.spend(who.key, 1, 0)
        return account

    def release(self, who: Identity, account: Account, tokens: int) -> None:
        """A request has ended and used so many tokens."""
        account.running -= 1
        self.running -= 1
        account.tokens.used += tokens
        self._news.spend(who.key, 0, tokens)

    def take_news(self) -> News:
        """What happened since the last call, and what runs now, for the other replicas."""
        news, self._news = self._news, News()
        news.running = {key: a.running for key, a in self._accounts.items() if a.running}
        return news

    def learn(self, news: News) -> None:
        """Count what other replicas did. An empty News means: nobody else is known to run."""
        now = self._clock()
        for key, (requests, tokens) in news.spent.items():
            account = self._account(key, now)
            account.requests.used += requests
            account.tokens.used += tokens
        for account in self._accounts.values():
            account.running_elsewhere = 0
        for key, count in news.running.items():
            self._account(key, now).running_elsewhere = count

    def _account(self, key: str, now: float) -> Account:
        """Accounts are as many as there are users and service tokens, so none is ever dropped."""
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(Bucket(now), Bucket(now))
        return account


def _empty(limit: str, per_minute: int, missing: float) -> RefusedError:
    message = f"Your role allows {per_minute} {limit.replace('_', ' ')}; wait as Retry-After says."
    return too_many(limit, missing * 60 / per_minute, message)
