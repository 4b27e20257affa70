"""The engine's requests: finds the provider by type token, and translates values and failures.

The names of the methods are those of pulumirpc.ResourceProvider, in
https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import any_pb2, empty_pb2  # type: ignore[import-untyped]
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2, plugin_pb2, provider_pb2, provider_pb2_grpc

from infra.providers.common.call import Call, PartialFailureError, ProviderError
from infra.providers.common.properties import UNKNOWN, Props, dump, load
from infra.providers.common.provider import Provider

VERSION = "0.1.0"
LOG_SECONDS = 5
# Keys of the provider's own configuration that are Pulumi's.
INTERNAL = ("version", "__internal")


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Handles requests of many threads at once."""

    def __init__(self, providers: Iterable[Provider], engine: Any) -> None:
        self._providers = {provider.type: provider for provider in providers}
        self._engine = engine
        self.stop = threading.Event()
        """Set when the user presses Ctrl-C, or the engine has ended."""

    # The plug-in

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Only tools that generate code need types; the program states them itself."""
        return provider_pb2.GetSchemaResponse(schema=f'{{"name":"rayline","version":"{VERSION}"}}')

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Nothing is configured. What the engine sends is the whole configuration of the stack,
        since the project has the same name. If it were kept, the state would contain a second
        copy of it, secrets included, and each change of it would update the provider."""
        news, secrets = load(request.news)
        kept = {key: value for key, value in news.items() if key in INTERNAL}
        return provider_pb2.CheckResponse(inputs=dump(kept, secrets))

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.stop.set()
        return empty_pb2.Empty()

    # The resources

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        olds, _ = load(request.olds)
        news, secrets = load(request.news)
        with _failures(context, news, secrets):
            result = self._provider(request).check(olds, news)
        for warning in result.warnings:
            self._call(request).warn(warning)
        return provider_pb2.CheckResponse(
            inputs=dump(result.inputs, secrets),
            failures=[
                provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)
                for failure in result.failures
            ],
        )

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        olds, _ = load(request.olds)
        news, _ = load(request.news)
        provider = self._provider(request)
        with _failures(context, news, set()):
            diff = provider.diff(request.id, olds, news)
            changes = diff.changes or provider.drifted(self._call(request), olds, news)
        kind = provider_pb2.DiffResponse
        return kind(changes=kind.DIFF_SOME if changes else kind.DIFF_NONE, replaces=diff.replaces)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        provider = self._provider(request)
        news, secrets = load(request.properties)
        secrets |= set(provider.secret_outputs)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_planned(provider, news, secrets))
        with _failures(context, news, secrets):
            created = provider.create(self._call(request), news)
        return provider_pb2.CreateResponse(id=created.id, properties=dump(created.outs, secrets))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        provider = self._provider(request)
        olds, _ = load(request.olds)
        news, secrets = load(request.news)
        secrets |= set(provider.secret_outputs)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=_planned(provider, news, secrets))
        with _failures(context, news, secrets):
            outs = provider.update(self._call(request), request.id, olds, news)
        return provider_pb2.UpdateResponse(properties=dump(outs, secrets))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        provider = self._provider(request)
        props, secrets = load(request.properties)
        secrets |= set(provider.secret_outputs)
        with _failures(context, props, secrets):
            if not props:
                raise ProviderError(f"{provider.type} cannot be imported; `pulumi up` adopts it")
            live = provider.read(self._call(request), request.id, props)
        if live is None:
            return provider_pb2.ReadResponse(id="")
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=dump(live.outs, secrets),
            inputs=None if live.inputs is None else dump(live.inputs, secrets),
        )

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        props, secrets = load(request.properties)
        with _failures(context, props, secrets):
            self._provider(request).delete(self._call(request), request.id, props)
        return empty_pb2.Empty()

    def _provider(self, request: Any) -> Provider:
        """By the type in the URN: `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`."""
        return self._providers[request.urn.split("::")[2].rpartition("$")[2]]

    def _call(self, request: Any) -> Call:
        return Call(
            status=self._logger(request.urn, engine_pb2.INFO, ephemeral=True),
            warn=self._logger(request.urn, engine_pb2.WARNING, ephemeral=False),
            stop=self.stop,
        )

    def _logger(
        self, urn: str, severity: "engine_pb2.LogSeverity.ValueType", *, ephemeral: bool
    ) -> Callable[[str], None]:
        def log(message: str) -> None:
            request = engine_pb2.LogRequest(
                severity=severity, message=message, urn=urn, ephemeral=ephemeral
            )
            try:
                self._engine.Log(request, timeout=LOG_SECONDS)
            except grpc.RpcError:
                return  # the work continues without its progress on the screen

        return log


def _planned(provider: Provider, news: Props, secrets: Set[str]) -> Any:
    """The properties after the operation, as far as a preview knows them."""
    return dump({**news, **dict.fromkeys(provider.outputs, UNKNOWN)}, secrets)


@contextmanager
def _failures(context: Any, inputs: Props, secrets: Set[str]) -> Iterator[None]:
    """Gives the engine an expected error's text alone, and the state that a partial failure left.

    Any other exception is a bug: gRPC writes its stack trace to stderr.
    """
    code = grpc.StatusCode.UNKNOWN
    try:
        yield
    except PartialFailureError as error:
        detail = any_pb2.Any()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(
                id=error.id,
                properties=dump(error.outs, secrets),
                reasons=[str(error)],
                inputs=dump(inputs, secrets),
            )
        )
        status = status_pb2.Status(code=code.value[0], message=str(error), details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, str(error))
    except ProviderError as error:
        context.abort(code, str(error))
