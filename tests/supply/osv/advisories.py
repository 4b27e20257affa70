"""Small advisories and databases, written as their publishers write them."""

import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def affected(
    name: str,
    *events: dict[str, str],
    ecosystem: str = "Go",
    kind: str = "",
    versions: Sequence[str] = (),
) -> dict[str, Any]:
    """An item of `affected` with one range of `events`, if there are any."""
    kind = kind or ("SEMVER" if ecosystem == "Go" else "ECOSYSTEM")
    item: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": name}}
    if events:
        item["ranges"] = [{"type": kind, "events": list(events)}]
    if versions:
        item["versions"] = list(versions)
    return item


def advisory(identifier: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "modified": "2026-11-20T10:00:00Z",
        "summary": f"flaw {identifier}",
        "affected": list(parts),
        **fields,
    }


def folder(path: Path, *advisories: dict[str, Any]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for each in advisories:
        (path / f"{each['id']}.json").write_text(json.dumps(each))
    return path


def archive(path: Path, *advisories: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for each in advisories:
            file.writestr(f"{each['id']}.json", json.dumps(each))
    return path
