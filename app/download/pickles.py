"""Files in Python's pickle format, which can run code when they are loaded.

vLLM 0.32 loads them with `torch.load(..., weights_only=True)`, which refuses most of that, and has
been circumvented before (CVE-2025-32434). A model's own code may load them in any way. So they are
downloaded and used only where the stack names them (`allowPickle` of a model).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from app.download.errors import MistakeError

LOADED = frozenset({".bin", ".pt"})
"""Suffixes of weights that vLLM loads."""
OTHERS = frozenset({".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pth"})
"""Suffixes that only a model's own code loads. Such files are left out unless they are allowed."""


@dataclass(frozen=True)
class Allowed:
    """The patterns of files that may be pickles. A pattern is compared with the path in the
    repository and with the name alone."""

    patterns: tuple[str, ...] = ()

    def __contains__(self, path: str) -> bool:
        texts = (path, PurePosixPath(path).name)
        return any(fnmatchcase(text, each) for each in self.patterns for text in texts)

    @property
    def mark(self) -> str:
        """A text that differs where other files are allowed; empty where none is."""
        if not self.patterns:
            return ""
        text = "\0".join(sorted(set(self.patterns)))
        return f".pickle-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def require(self, paths: Iterable[str], source: str) -> None:
        """Raise `MistakeError` if one of `paths` of `source` is a pickle that is not allowed."""
        found = sorted(path for path in paths if is_pickle(path) and path not in self)
        if not found:
            return
        pattern = found[0] if len(found) == 1 else f"*{PurePosixPath(found[0]).suffix}"
        raise MistakeError(
            f"{source} has weights in pickles, which can run code when they are loaded: "
            f"{', '.join(found[:3])}{' and more' if found[3:] else ''}. Set `source` to a "
            "repository with safetensors, or, if you trust its authors with this, allow them in "
            f'the model\'s `allowPickle`: ["{pattern}"]'
        )


NONE = Allowed()


def is_pickle(path: str) -> bool:
    """Whether the file's name says that it is a pickle."""
    return PurePosixPath(path).suffix.lower() in LOADED | OTHERS
