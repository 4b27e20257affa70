"""Determines why an engine did not start.

vLLM raises "Engine core initialization failed. See root cause above". The cause is in the output
that its processes share with this one. In a replica that output is a file, Ray's log of the worker,
which can be searched.
"""

import os
import re
import stat
from collections.abc import Iterator

# (EngineCore pid=12) ERROR 11-25 04:34:49 [core.py:1510] ValueError: No available memory for ...
_ERROR = re.compile(r"\bERROR \S+ \S+ \[[^\]]+\]\s+((?:\w+\.)*\w*(?:Error|Exception)\b: .+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
MAX_LENGTH = 1000
"""Characters of the cause; vLLM's longest explanations have about 600."""


class Output:
    """The output of this process and its children from now on, where it goes to files."""

    def __init__(self) -> None:
        self._begin = {descriptor: _size(descriptor) for descriptor in (1, 2)}

    def first_error(self) -> str:
        """The error at the end of the first traceback; later ones are of processes that waited.

        Empty if there is none, or if the output is not a file.
        """
        return next(self._errors(), "")

    def _errors(self) -> Iterator[str]:
        for descriptor, begin in self._begin.items():
            if begin is None:
                continue
            with open(f"/proc/self/fd/{descriptor}", "rb") as log:
                log.seek(begin)
                for line in log:
                    match = _ERROR.search(_ESCAPES.sub("", line.decode(errors="replace")))
                    if match:
                        yield match[1].strip()[:MAX_LENGTH]


def _size(descriptor: int) -> int | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
