"""Writes what repeats the settings: the reference, the editors' schema, and Pulumi.yaml's keys.

`python -m infra.settings.reference` writes docs/configuration.md, docs/configuration.schema.json
and the `config` section of Pulumi.yaml; with `--check` it only reports which of them are stale.
"""

import json
import re
import sys
from pathlib import Path

from infra.settings import SCHEMA
from infra.settings.framework import documents
from infra.settings.secret_keys import SECRET_KEYS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "configuration.md"
EDITOR_SCHEMA = ROOT / "docs" / "configuration.schema.json"
PROJECT = ROOT / "Pulumi.yaml"

_CONFIG_SECTION = re.compile(r"^config:\n(?: .*\n)*", re.MULTILINE)
_INTRODUCTION = """\
# Stack configuration
`python -m infra.settings.reference` writes this page from `infra/settings`; a test fails when it is
stale. Each section is one key of `Pulumi.<stack>.yaml`. A key that is not set has its default; an
unknown key is an error. Set a single value by its path, also inside lists:

```
pulumi config set --path 'rayline:models[0].maxModelLen' 16384
```

An editor with a YAML language server checks a stack file while you type if the first line of the
file is `# yaml-language-server: $schema=docs/configuration.schema.json`. Checks that need more than
one key (routes, cards, memory, versions) run in `pulumi preview`, before anything is changed; they
are in `infra/rules`.
"""


def editor_schema() -> dict[str, object]:
    """JSON schema of a stack file, for editors."""
    return documents.editor_schema(SCHEMA, SECRET_KEYS)


def contents() -> dict[Path, str]:
    """Path -> text of every file that repeats the settings."""
    return {
        REFERENCE: "\n".join([_INTRODUCTION, documents.tables(SCHEMA, SECRET_KEYS)]),
        EDITOR_SCHEMA: json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n",
        PROJECT: _project(PROJECT.read_text()),
    }


def _project(text: str) -> str:
    """Pulumi.yaml with its `config` section replaced; the rest of the file is written by hand."""
    section = documents.project_keys(SCHEMA)
    if not _CONFIG_SECTION.search(text):
        return f"{text.rstrip()}\n{section}"
    return _CONFIG_SECTION.sub(lambda _old: section, text, count=1)


def main(arguments: list[str]) -> int:
    """Writes the files, or with --check names the stale ones; returns the exit code."""
    stale = {
        path: text
        for path, text in contents().items()
        if not path.exists() or path.read_text() != text
    }
    if arguments == ["--check"]:
        for path in stale:
            print(
                f"{path.name} is stale. Type: python -m infra.settings.reference", file=sys.stderr
            )
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text)
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
