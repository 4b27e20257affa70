"""Whose a stored answer is: its id says so, to those who have the key.

vLLM keeps the answers of /v1/responses by their ids, without an owner: whoever knows an id may read
and cancel the answer, and continue its conversation. The guard therefore chooses the id. It ends in
a code that only the replicas can compute, from the caller's name and the rest of the id. So no
replica has to remember whose an answer is, and no restart forgets it.
"""

import hmac
import secrets
from collections.abc import Sequence

_PREFIX, _CODE = "resp_", 32


class Ids:
    """The ids of answers to one caller. `keys` are those that sign tokens: new ids are made with
    the first, and ids of the others remain valid."""

    def __init__(self, keys: Sequence[bytes], owner: str) -> None:
        self._keys = keys
        self._owner = owner

    def new(self) -> str:
        """An id that nobody can guess, in vLLM's form; 69 characters."""
        start = _PREFIX + secrets.token_hex(16)
        return start + self._code(self._keys[0], start)

    def own(self, answer: object) -> bool:
        """Whether the id was made for this caller."""
        if type(answer) is not str or not answer.isascii():
            return False
        start, code = answer[:-_CODE], answer[-_CODE:]
        return any(hmac.compare_digest(self._code(key, start), code) for key in self._keys)

    def _code(self, key: bytes, start: str) -> str:
        text = f"rayline stored answer\0{start}\0{self._owner}"
        return hmac.digest(key, text.encode(), "sha256").hex()[:_CODE]
