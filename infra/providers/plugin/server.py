"""The plug-in's process: it serves the engine on a port, and ends when the engine does."""

import logging
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import grpc  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc

from infra.providers.plugin.resources import PROVIDERS
from infra.providers.plugin.servicer import Servicer

WORKERS = 256
"""Requests that are handled at once, more than any sensible `--parallel`: Ctrl-C is a request too,
and must not wait for a thread. Threads start when they are needed."""
MESSAGE_BYTES = 400 * 1024 * 1024
"""The limit of Pulumi's own SDKs; gRPC's default of 4 MiB is too little for a large stack."""
GRACE_SECONDS = 5
"""Seconds that running requests have to return their state when the process must end."""
NEVER_IDLE_MS = 2**31 - 1


def serve(engine_address: str) -> None:
    """Answer the engine until it ends. The engine reads the port from the first line of stdout."""
    # The user sees what is written to stderr.
    logging.basicConfig(level=logging.ERROR)
    warnings.simplefilter("ignore")
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        # gRPC would close an idle channel, which then does not notice the engine's end.
        ("grpc.client_idle_timeout_ms", NEVER_IDLE_MS),
        # The engine is on this machine, which a proxy cannot reach.
        ("grpc.enable_http_proxy", 0),
    ]
    channel = grpc.insecure_channel(engine_address, options)
    servicer = Servicer(PROVIDERS, engine_pb2_grpc.EngineStub(channel))
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ended = threading.Event()
    # The engine sends SIGINT to a plug-in that it no longer needs, and kills it 5 s later.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())

    def watch(state: grpc.ChannelConnectivity) -> None:
        if state is grpc.ChannelConnectivity.IDLE:
            # After a lost connection, gRPC waits for the next call. Check now.
            channel.subscribe(lambda _state: None, try_to_connect=True)
        elif state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            ended.set()  # the engine was killed, and cannot end this process

    channel.subscribe(watch, try_to_connect=True)
    print(port, flush=True)
    sys.stdout = sys.stderr
    ended.wait()
    servicer.stop.set()
    server.stop(GRACE_SECONDS).wait()
    channel.close()
    # Return, and exit as usual: the `kubernetes` package then deletes its files with keys.
