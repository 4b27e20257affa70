"""Sets numbers in a YAML file and touches nothing else in it: comments, order and quoting stay.

PyYAML loses comments when it writes, so only the places that its parser names are changed in the
text. `pulumi config set` would keep comments too, but it needs a login, and the stack in its state.
"""

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cli import stack_file

Location = Sequence[str | int]


def assign(path: Path, location: Location, values: Mapping[str, float]) -> bool:
    """Set `values` in the mapping at `location`; False, with the file unchanged, if that cannot be
    done in place: for example where an alias or a merge key stands there. OSError if unwritable."""
    before = stack_file.load(path)
    text = path.read_bytes().decode("utf-8-sig")
    mapping = _at(yaml.compose(text, yaml.SafeLoader), location)
    if mapping is None or not mapping.value:
        return False
    changed = _changed(text, mapping, values)
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(changed.encode())
        if stack_file.load(temporary) != _expected(before, location, values):
            return False
        temporary.chmod(path.stat().st_mode)
        os.replace(temporary, path)
    except stack_file.StackFileError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _at(node: yaml.Node | None, location: Location) -> yaml.MappingNode | None:
    for part in location:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part] if part < len(node.value) else None
        else:
            return None
    return node if isinstance(node, yaml.MappingNode) else None


def _changed(text: str, mapping: yaml.MappingNode, values: Mapping[str, float]) -> str:
    present = {key.value: value for key, value in mapping.value}
    edits = [
        (present[name].start_mark.index, present[name].end_mark.index, f"{value:g}")
        for name, value in values.items()
        if name in present
    ]
    new = [f"{name}: {value:g}" for name, value in values.items() if name not in present]
    if new and mapping.flow_style:
        end = mapping.value[-1][1].end_mark.index
        edits.append((end, end, "".join(f", {entry}" for entry in new)))
    elif new:
        end, indent = _after_a_line(text, mapping), " " * mapping.value[0][0].start_mark.column
        newline = "\r\n" if "\r\n" in text else "\n"
        edits.append((end, end, "".join(f"{newline}{indent}{entry}" for entry in new)))
    for start, end, instead in sorted(edits, reverse=True):
        text = text[:start] + instead + text[end:]
    return text


def _after_a_line(text: str, mapping: yaml.MappingNode) -> int:
    """The end of the line of the last value that is on one line. The end of a nested value is not
    used: PyYAML places it after the comments that follow."""
    single = [
        value.end_mark.index
        for _, value in mapping.value
        if isinstance(value, yaml.ScalarNode) and value.start_mark.line == value.end_mark.line
    ]
    start = max(single, default=mapping.value[0][0].end_mark.index)
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return end - 1 if text[end - 1 : end] == "\r" else end


def _expected(before: Any, location: Location, values: Mapping[str, float]) -> Any:
    after = copy.deepcopy(before)
    here = after
    for part in location:
        here = here[part]
    here.update(values)
    return after
