"""From where each user has logged in: anonymous keys of user and place by the user's key.

Only a right password adds an entry, so nobody else can displace one. The ledger keeps a copy, from
which a new replica learns what the others know.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

PER_USER, MAX_USERS = 16, 5000
"""The place and the user whose last login is oldest are forgotten first; about 10 MB in all."""


class Places:
    """The last places of each user."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()

    def add(self, user: str, place: str) -> None:
        """Remember that this user has logged in from this place."""
        places = self._users.setdefault(user, OrderedDict())
        self._users.move_to_end(user)
        places[place] = None
        places.move_to_end(place)
        if len(places) > PER_USER:
            places.popitem(last=False)
        if len(self._users) > MAX_USERS:
            self._users.popitem(last=False)

    def add_all(self, others: Mapping[str, Sequence[str]]) -> None:
        """Remember what `as_lists` of another one returned."""
        for user, places in others.items():
            for place in places:
                self.add(user, place)

    def as_lists(self) -> dict[str, list[str]]:
        """Everything, in the order of the last logins."""
        return {user: list(places) for user, places in self._users.items()}

    def __contains__(self, entry: tuple[str, str]) -> bool:
        user, place = entry
        return place in self._users.get(user, ())
