"""Requests as the engine sends them, in protobuf, and what the engine gets back."""

from typing import Any, NoReturn

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2

from infra.providers.common.call import Call, CallCancelledError, ProviderError
from infra.providers.common.properties import UNKNOWN, Props, load
from infra.providers.common.provider import Checked, Created, Diff, Failure, Provider
from infra.providers.plugin.resources import PROVIDERS
from infra.providers.plugin.servicer import Servicer

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Box(Provider):
    """Keeps `content`, and seals it."""

    type = "rayline:index:Box"
    outputs = ("seal",)
    secret_outputs = ("seal",)

    def check(self, _olds: Props, news: Props) -> Checked:
        return Checked(news, [Failure("size", "is 0")] if news.get("size") == 0 else [])

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        changed = [key for key in ("content", "size") if olds.get(key) != news.get(key)]
        return Diff(bool(changed), [key for key in changed if key == "size"])

    def drifted(self, call: Call, olds: Props, _news: Props) -> bool:
        assert isinstance(call, Call)
        assert olds["size"] == _news["size"], "a replacement needs no look"
        return bool(olds.get("stolen"))

    def create(self, call: Call, props: Props) -> Created:
        return Created("box", self.update(call, "box", {}, props))

    def update(self, call: Call, id_: str, _olds: Props, news: Props) -> Props:
        match news["content"]:
            case "refused":
                raise ProviderError("no such content")
            case "half":
                call.fail(CallCancelledError(), id_, {"content": "half", "seal": "weak"})
        return {**news, "seal": "wax"}


class Aborted(Exception):  # noqa: N818 - not an error of the test
    pass


class Context:
    metadata: tuple[tuple[str, bytes], ...] = ()

    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None:
        self.metadata = metadata

    def abort(self, code: grpc.StatusCode, text: str) -> NoReturn:
        assert code is grpc.StatusCode.UNKNOWN
        raise Aborted(text)


URN = "urn:pulumi:s::p::rayline:a:Parent$rayline:index:Box::box"
SERVICER = Servicer([Box()], engine=None)


def struct(**props: Any) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(props)
    return made


def secret(value: Any) -> dict[str, Any]:
    return {SIGNATURE: SECRET, "value": value}


def plain(message: struct_pb2.Struct) -> tuple[Props, set[str]]:
    return load(message)


def test_check_keeps_secrets_and_unknowns() -> None:
    news = struct(content=secret(UNKNOWN_STRING), size=UNKNOWN_STRING)
    answer = SERVICER.Check(provider_pb2.CheckRequest(urn=URN, news=news), Context())
    assert answer.inputs == news
    assert not answer.failures
    news = struct(content="x", size=0)
    answer = SERVICER.Check(provider_pb2.CheckRequest(urn=URN, news=news), Context())
    assert [(f.property, f.reason) for f in answer.failures] == [("size", "is 0")]


@pytest.mark.parametrize(
    ("content", "size", "changes", "replaces"),
    [
        ("a", 1, False, []),
        ("b", 1, True, []),
        (UNKNOWN_STRING, 1, True, []),
        ("a", 2, True, ["size"]),
    ],
)
def test_diff(content: str, size: int, changes: bool, replaces: list[str]) -> None:
    olds, news = struct(content=secret("a"), size=1, seal="wax"), struct(content=content, size=size)
    answer = SERVICER.Diff(provider_pb2.DiffRequest(urn=URN, olds=olds, news=news), Context())
    kinds = provider_pb2.DiffResponse
    assert answer.changes == (kinds.DIFF_SOME if changes else kinds.DIFF_NONE)
    assert list(answer.replaces) == replaces


def test_what_drifted_is_a_change_and_is_asked_only_without_one() -> None:
    kinds = provider_pb2.DiffResponse
    olds = struct(content="a", size=1, stolen=True)
    news = struct(content="a", size=1)
    answer = SERVICER.Diff(provider_pb2.DiffRequest(urn=URN, olds=olds, news=news), Context())
    assert (answer.changes, list(answer.replaces)) == (kinds.DIFF_SOME, [])


def test_a_preview_creates_and_updates_nothing_and_leaves_outputs_unknown() -> None:
    news = struct(content="refused", size=1)
    create = provider_pb2.CreateRequest(urn=URN, properties=news, preview=True)
    update = provider_pb2.UpdateRequest(urn=URN, olds=news, news=news, preview=True)
    for answer in (SERVICER.Create(create, Context()), SERVICER.Update(update, Context())):
        assert plain(answer.properties) == (
            {"content": "refused", "size": 1, "seal": UNKNOWN},
            {"seal"},
        )


def test_create_and_update_mark_secret_inputs_and_outputs() -> None:
    news = struct(content=secret("x"), size=2)
    made = SERVICER.Create(provider_pb2.CreateRequest(urn=URN, properties=news), Context())
    whole = {"content": "x", "size": 2, "seal": "wax"}
    assert made.id == "box"
    assert plain(made.properties) == (whole, {"content", "seal"})
    request = provider_pb2.UpdateRequest(urn=URN, id="box", olds=news, news=news)
    assert plain(SERVICER.Update(request, Context()).properties) == (whole, {"content", "seal"})
    read = provider_pb2.ReadRequest(urn=URN, id="box", properties=made.properties)
    answer = SERVICER.Read(read, Context())
    assert (answer.id, plain(answer.properties)) == ("box", (whole, {"content", "seal"}))
    assert not answer.HasField("inputs")


def test_an_expected_error_is_its_text_alone() -> None:
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(content="refused"))
    context = Context()
    with pytest.raises(Aborted, match=r"^no such content$"):
        SERVICER.Create(request, context)
    assert context.metadata == ()


def test_a_partial_failure_carries_the_state() -> None:
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(content=secret("half")))
    context = Context()
    with pytest.raises(Aborted, match=r"^interrupted; `pulumi up` continues from here$"):
        SERVICER.Create(request, context)
    ((key, value),) = context.metadata
    assert key == "grpc-status-details-bin"
    failed = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(value).details[0].Unpack(failed)
    assert failed.id == "box"
    assert list(failed.reasons) == ["interrupted; `pulumi up` continues from here"]
    assert plain(failed.properties) == ({"content": "half", "seal": "weak"}, {"content", "seal"})
    assert plain(failed.inputs) == ({"content": "half"}, {"content"})


def test_an_import_is_refused_with_the_remedy() -> None:
    with pytest.raises(Aborted, match="cannot be imported; `pulumi up` adopts it"):
        SERVICER.Read(provider_pb2.ReadRequest(urn=URN, id="box"), Context())


def test_the_configuration_of_the_stack_is_not_kept() -> None:
    news = struct(models="[]", jwtKey=secret("canary"), version="0.1.0", __internal={"a": "b"})
    answer = SERVICER.CheckConfig(provider_pb2.CheckRequest(news=news), Context())
    assert plain(answer.inputs) == ({"version": "0.1.0", "__internal": {"a": "b"}}, set())


def test_cancel_stops_every_call() -> None:
    servicer = Servicer([], engine=None)
    call = servicer._call(provider_pb2.CreateRequest(urn=URN))
    servicer.Cancel(None, None)
    with pytest.raises(CallCancelledError):
        call.clock.sleep(60)
    with pytest.raises(CallCancelledError):
        call.run(lambda: None)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.type)
def test_providers_hold_no_state_and_name_their_outputs(provider: Provider) -> None:
    assert vars(provider) == {}
    assert set(provider.secret_outputs) <= set(provider.outputs)
