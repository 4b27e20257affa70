"""Values on their way from the engine's protobuf and back."""

from typing import Any

import pytest
from google.protobuf import struct_pb2  # type: ignore[import-untyped]

from infra.providers.common.properties import UNKNOWN, dump, load, without_empty

# From sdk/go/common/resource/plugin/rpc.go, which has one per type of the missing value.
MARKERS = [
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def struct(props: dict[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(props)
    return made


@pytest.mark.parametrize("marker", MARKERS)
def test_every_unknown_is_the_same_object_however_deep(marker: str) -> None:
    props, secrets = load(
        struct({"a": marker, "b": [{"c": marker}], "d": {**SECRET, "value": {"e": [marker]}}})
    )
    assert props == {"a": UNKNOWN, "b": [{"c": UNKNOWN}], "d": {"e": [UNKNOWN]}}
    assert secrets == {"d"}


def test_an_unknown_differs_from_every_known_value() -> None:
    assert UNKNOWN == UNKNOWN  # noqa: PLR0124
    values: list[Any] = [None, "", 0, False, {}, [], MARKERS[0]]
    for known in values:
        assert known != UNKNOWN
        assert {"a": [known]} != {"a": [UNKNOWN]}
        assert {"a": [UNKNOWN]} == {"a": [UNKNOWN]}


def test_numbers_keep_their_type() -> None:
    """Protobuf turns an exit code of 2 into 2.0, which Kubernetes refuses."""
    props, _ = load(struct({"rules": [{"values": [2.0]}], "share": 0.5, "on": True}))
    assert repr(props["rules"]) == "[{'values': [2]}]"
    assert (props["share"], props["on"]) == (0.5, True)


def test_dump_reverses_load() -> None:
    props = {"text": "x", "none": None, "list": [1, {"deep": UNKNOWN}], "key": {"a": ["b"]}}
    assert load(dump(props, {"key"})) == (props, {"key"})


def test_unset_values_are_omitted_from_mappings_but_not_from_lists() -> None:
    value = {"a": None, "b": {}, "c": [], "d": [None, {"e": None}], "f": 0, "g": {"h": UNKNOWN}}
    assert without_empty(value) == {"d": [None, {}], "f": 0, "g": {"h": UNKNOWN}}
