"""Properties on their way between Pulumi's engine and a provider.

The engine sends a protobuf `Struct`, in which some values carry a marker: secrets are wrapped in an
object with a signature, and a value that a preview does not know yet is one of a few fixed strings.
Providers get plain Python values, with `UNKNOWN` in place of those strings.
https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/types.html
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any, Final

from google.protobuf import struct_pb2  # type: ignore[import-untyped]

Props = dict[str, Any]


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _memo: object) -> "Unknown":
        return self


UNKNOWN: Final = Unknown()
"""A value that a preview does not know yet. It equals itself only, so every comparison with a known
value reports a difference."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# One marker per type of the missing value: sdk/go/common/resource/plugin/rpc.go in pulumi/pulumi.
_UNKNOWNS = {
    _UNKNOWN_STRING,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
}


def only(props: Mapping[str, Any], names: Iterable[str]) -> Props:
    """The named properties, as far as they are present."""
    return {name: props[name] for name in names if name in props}


def differing(olds: Props, news: Props, names: Iterable[str]) -> list[str]:
    """The named properties whose new value is not the old one."""
    return [name for name in names if olds.get(name) != news.get(name)]


def load(struct: struct_pb2.Struct) -> tuple[Props, set[str]]:
    """Plain values, and the names of the top-level properties that contain a secret.

    Protobuf has one type for numbers, a float: 2.0 becomes 2, because Kubernetes refuses a float
    where it expects an integer, and so that old and new values compare equal.
    """
    secrets: set[str] = set()

    def plain(value: struct_pb2.Value, top: str) -> Any:
        result: Any = None
        match value.WhichOneof("kind"):
            case "struct_value":
                fields = value.struct_value.fields
                if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _SECRET:
                    secrets.add(top)
                    result = plain(fields["value"], top)
                else:
                    result = {key: plain(item, top) for key, item in fields.items()}
            case "list_value":
                result = [plain(item, top) for item in value.list_value.values]
            case "number_value":
                number = value.number_value
                result = int(number) if number.is_integer() else number
            case "string_value":
                result = UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
            case "bool_value":
                result = value.bool_value
        return result

    return {key: plain(value, key) for key, value in struct.fields.items()}, secrets


def dump(props: Mapping[str, Any], secrets: Set[str]) -> struct_pb2.Struct:
    """The reverse of `load`: properties named in `secrets` are marked as secret as a whole."""

    def marked(value: Any) -> Any:
        if value is UNKNOWN:
            return _UNKNOWN_STRING
        if isinstance(value, Mapping):
            return {key: marked(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [marked(item) for item in value]
        return value

    struct = struct_pb2.Struct()
    struct.update(
        {
            key: {_SIGNATURE: _SECRET, "value": marked(value)} if key in secrets else marked(value)
            for key, value in props.items()
        }
    )
    return struct


def without_empty(value: Any) -> Any:
    """The value without None, {} and [] in mappings: Ray and Pulumi omit unset fields."""
    if isinstance(value, Mapping):
        items = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item not in (None, {}, [])}
    if isinstance(value, list | tuple):
        return [without_empty(item) for item in value]
    return value
