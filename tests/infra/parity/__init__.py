"""Each rule about a value that the service reads is the same in infra and in app.

The two packages share no import, so infra repeats what app accepts. These tests compare the
repetition with the original, and run the service's own loaders on what infra renders.
"""

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import argon2
from hypothesis import strategies as st

from app.access import roles as app_roles
from app.access import routes
from app.auth import config as app_auth
from app.auth import source
from app.guard import settings as app_guard
from infra.settings import StackSettings, parse
from infra.settings.framework.problems import ConfigurationError
from infra.specs.auth_config import auth_config

KEY = "k9xw2Vb7Qm4Zr8Ty1Lp6Nd3Hs5Jf0Gc-"
# With a fixed salt: it is in the names of tests, which all workers of a parallel run must agree on.
HASH = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(
    "a password", salt=b"0123456789abcdef"
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=2)
EDGES = st.sampled_from([-(2**31) - 1, -(2**31), -1, 0, 1, 2, 2**31 - 1, 2**31, "*", "1", True])
WORDS = st.sampled_from(
    [
        "a.example",
        "A.Example",
        "10.0.0.0/8",
        "10.0.0.1/8",
        "::1",
        "fe80::/10",
        "a b",
        "a,b",
        "",
        "é",
    ]
)

GROUPS = st.lists(st.sampled_from([*sorted(routes.GROUPS), "*"]), max_size=3)
ANY = EDGES | JSON | GROUPS | st.lists(st.text(), max_size=2)
NUMBER = st.integers(1, 9) | st.sampled_from([2**31 - 1, "*", None])
RIGHT_ROLE = st.fixed_dictionaries(
    {},
    optional={
        "groups": GROUPS | st.just("*"),
        "models": st.lists(st.sampled_from(["one", "two", "*"]), max_size=2) | st.just("*"),
        **dict.fromkeys(("requestsPerMinute", "tokensPerMinute", "maxTokens"), NUMBER),
        "concurrent": NUMBER,
        "priority": st.integers(-(2**31), 2**31 - 1),
        "shareCache": st.booleans(),
    },
)
RIGHT_NAMES = st.sampled_from(["admin", "user", "guest", "batch"])
APP_GUARD = {
    name: field
    for name, field in app_guard.GuardSettings.model_fields.items()
    if str(field.validation_alias).startswith(app_guard.PREFIX)
}
"""Fields of the guard that have a GUARD_ variable."""
ROLE_FIELDS = [field.name for field in fields(app_roles.Role) if field.name != "name"]


def loaded(stack: StackSettings) -> app_auth.AuthConfig:
    """What the service reads from the Secret's files."""
    secret = auth_config(stack.auth, {user.name: HASH for user in stack.auth.users}, KEY, None)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), secret)
        watched = source.WatchedConfig({source.FOLDER_VARIABLE: folder}, lambda: 0.0)
        return watched.current()


def write(folder: Path, files: Mapping[str, Any]) -> None:
    for name, text in files.items():
        (folder / name).write_text(str(text), encoding="utf-8")


def parses(whole: dict[str, Any]) -> bool:
    try:
        parse(copy.deepcopy(whole))
    except ConfigurationError:
        return False
    return True


CUTS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 3), st.sampled_from(" a$=,9:")), max_size=3
)
NUMBERS = st.integers(0, 20) | st.sampled_from([64, 262144, 262145, 10**8, 10**12])


@st.composite
def hashes(draw: st.DrawFn) -> str:
    """Right hashes, some with other parameters, damaged at random places."""
    text = draw(
        st.sampled_from([HASH, "0" * 96, "0" * 32 + ":" + "a" * 64, HASH.replace("2id", "2i")])
        | st.builds(
            lambda m, t, p: HASH.replace("m=64,t=1,p=1", f"m={m},t={t},p={p}"),
            *[NUMBERS] * 3,
        )
        | st.text(max_size=20)
    )
    for place, length, instead in draw(CUTS):
        text = text[:place] + instead + text[place + length :]
    return text
