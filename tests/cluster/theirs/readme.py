"""The numbered steps of the README and the code blocks of other pages, as a reader types them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from textwrap import dedent

from tests.cluster.theirs import cluster, registry
from tests.cluster.theirs.configuration import MODEL, REPOSITORY
from toolchain.paths import CHECKOUT

_ITEM = re.compile(r"^(\d+)\. +(.*)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)

VALUES = {
    r"\bREPOSITORY\b": f"'{CHECKOUT}'",
    r"\bCONTEXT\b": cluster.CONTEXT,
    r"\bSTORAGECLASS\b": "cephfs",
    r"\bTOKENNAME\b": registry.USERNAME,
    r"registry\.gitlab\.example/group/project/ray-vllm": f"{registry.ADDRESS}/{REPOSITORY}",
    r"(workers|replicas)' 2\b": r"\1' 1",
    r"\bqwen2\.5-7b\b": MODEL,
}
"""What a reader types instead of the README's words in capitals and of the example's values."""
LEFT_OUT = re.compile(r"docker buildx create --name (\S+) --driver remote ")
"""Docker's plug-in buildx may be missing here; `cluster.buildx_instance` writes the same file."""
_CAPITALS = re.compile(r"(?<![$\w{])[A-Z]{5,}(?![\w=])")


@dataclass(frozen=True)
class Step:
    """One item of a numbered list: the rest of its first line, and its commands."""

    number: int
    title: str
    commands: str


def steps(text: str) -> list[Step]:
    """The items of the longest numbered list."""
    masked = _BLOCK.sub(lambda block: "x" * len(block[0]), text)
    lists: list[list[Step]] = [[]]
    items = list(_ITEM.finditer(masked))
    for item, following in zip_longest(items, items[1:]):
        end = following.start() if following else len(text)
        if heading := _HEADING.search(masked, item.end(), end):
            end = heading.start()
        if item[1] == "1":
            lists.append([])
        commands = "".join(code for _, code in blocks(text[item.end() : end]))
        lists[-1].append(Step(int(item[1]), item[2], commands))
    return max(lists, key=len)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and code of every code block."""
    return ((found[2], dedent(found[3])) for found in _BLOCK.finditer(text))


def page(name: str) -> str:
    return Path(CHECKOUT, name).read_text()


def typed(text: str, values: dict[str, str] = VALUES) -> str:
    """The commands with a reader's values; fails where a word in capitals is left."""
    lines = [line for line in text.splitlines(keepends=True) if not LEFT_OUT.match(line)]
    made = "".join(lines)
    for word, value in values.items():
        made = re.sub(word, value, made)
    assert not _CAPITALS.findall(made), f"no value for {_CAPITALS.findall(made)}"
    return made
