"""The way from a dynamic provider's method to Pulumi's engine: messages, failures that keep state.

Pulumi's Python dynamic provider (pulumi/dynamic/__main__.py) gives its methods neither the URN nor
the engine, and turns every exception into "nothing happened". Both are at hand, though: the address
of the engine is the plug-in's argument, and the request is in the frame that called the method.
Where that frame looks different (another version of Pulumi, a test) the methods below fall back to
plain text on stderr and to the exception; tests/infra/providers/engine runs them under the real
engine.
"""

import asyncio
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, NoReturn, Self

import grpc  # type: ignore[import-untyped]
from google.protobuf import any_pb2  # type: ignore[import-untyped]
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.dynamic import ResourceProvider
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2

PROVIDER_KEY = "__provider"
_CALLER = "DynamicResourceProviderServicer"


class EngineCall:
    """The call that is under way, for `with` in the provider's method.

    `expected`: exceptions whose text says all there is to say.
    """

    def __init__(self, *expected: type[Exception]) -> None:
        self._expected = expected
        frame = _servicer_frame()
        local = frame.f_locals if frame else {}
        self._context = local.get("context")
        request = local.get("request")
        self.urn: str = getattr(request, "urn", "")
        self._engine = _engine() if self._context else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Give the engine an error's text alone: without this it comes with a stack trace."""
        if isinstance(error, self._expected) and self._context is not None:
            self._context.abort(grpc.StatusCode.UNKNOWN, str(error))

    def status(self, line: str) -> None:
        """Show a line beside the resource while it is worked on; the next one takes its place."""
        self._log(line, engine_pb2.INFO, ephemeral=True)

    def warn(self, text: str) -> None:
        """Show a warning that is still on the screen when `pulumi up` has ended."""
        self._log(text, engine_pb2.WARNING, ephemeral=False)

    def fail(self, error: Exception, id_: str, outs: Mapping[str, Any]) -> NoReturn:
        """End the call with `error`, and have the engine keep `outs` as the resource's state.

        The engine then knows that the resource exists and is not as wanted: the next `up` calls
        `update`, even if the configuration went back to what it was before. With a plain exception
        the state would still hold the old configuration, and going back would look like no change.
        """
        request = None if self._context is None else _servicer_frame()
        if request is None or self._context is None:
            raise error
        local = request.f_locals
        provider = (local.get("props") or local.get("news") or {}).get(PROVIDER_KEY)
        if provider is None:
            raise error
        kept = asyncio.run(rpc.serialize_properties({**outs, PROVIDER_KEY: provider}, {}))
        detail = any_pb2.Any()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(id=id_, properties=kept, reasons=[str(error)])
        )
        status = status_pb2.Status(
            code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail]
        )
        self._context.abort_with_status(_RichStatus(status))
        raise error  # pragma: no cover - abort_with_status always raises

    def _log(
        self, message: str, severity: "engine_pb2.LogSeverity.ValueType", *, ephemeral: bool
    ) -> None:
        if self._engine is not None:
            try:
                self._engine.Log(
                    engine_pb2.LogRequest(
                        severity=severity, message=message, urn=self.urn, ephemeral=ephemeral
                    ),
                    timeout=5,
                )
            except grpc.RpcError:
                self._engine = None
            else:
                return
        print(message, file=sys.stderr, flush=True)


class _RichStatus(grpc.Status):  # type: ignore[misc]
    """A google.rpc.Status in the shape that gRPC sends."""

    def __init__(self, status: status_pb2.Status) -> None:
        self.code = grpc.StatusCode.UNKNOWN
        self.details = status.message
        self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


def _servicer_frame() -> FrameType | None:
    """The frame of the servicer's method, or None where the provider is called by someone else."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if type(owner).__name__ == _CALLER and not isinstance(owner, ResourceProvider):
            return frame
        frame = frame.f_back
    return None


def _engine() -> engine_pb2_grpc.EngineStub | None:
    """The engine whose address is this plug-in's last argument."""
    host, _, port = sys.argv[-1].rpartition(":")
    if not host or not port.isdigit():
        return None
    return engine_pb2_grpc.EngineStub(grpc.insecure_channel(sys.argv[-1]))
