"""A minimal dynamic resource with create, diff, update, read and delete: it keeps a file."""

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)


class NoteProvider(ResourceProvider):
    """Writes `text` to `path`."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        Path(props["path"]).write_text(props["text"])
        return CreateResult(props["path"], outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        replaces = ["path"] if olds["path"] != news["path"] else []
        changed = olds["text"] != news["text"] or bool(replaces)
        return DiffResult(changes=changed, replaces=replaces)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        Path(news["path"]).write_text(news["text"])
        return UpdateResult(outs=news)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        path = Path(id_)
        if not path.exists():
            return ReadResult("", {})
        outs = {**props, "path": id_, "text": path.read_text()}
        return ReadResult(id_, outs)

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        Path(id_).unlink(missing_ok=True)


class Note(Resource, module="test", name="Note"):
    """A file that contains `text`."""

    def __init__(self, name: str, path: str, text: pulumi.Input[str]) -> None:
        super().__init__(NoteProvider(), name, {"path": path, "text": text})
