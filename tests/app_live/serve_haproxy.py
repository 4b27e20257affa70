"""Prints the configuration of HAProxy that Ray Serve makes: one replica, and a fallback proxy.

Folder and ports are words in capitals, which a test replaces. It is run as
`python -m tests.app_live.serve_haproxy`, in the environment of the engine.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any


def rendered(folder: Path, replicas: int = 1, fallback: bool = True) -> str:
    """Serve's configuration, made by Serve's own code in this folder."""
    from ray.serve._private import haproxy
    from ray.serve.config import HTTPOptions

    config = haproxy.HAProxyConfig(
        socket_path=str(folder / "admin.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "server-state"),
        metrics_socket_path=str(folder / "metrics.sock"),
        http_options=HTTPOptions(host="127.0.0.1", port=11111),
        stats_port=22222,
        metrics_port=33333,
        is_head=True,
        has_received_routes=True,
        has_received_servers=True,
    )

    def server(name: str, port: int) -> Any:
        return haproxy.ServerConfig(name=name, host="127.0.0.1", port=port)

    backend = haproxy.BackendConfig(
        name="http-tiny",
        path_prefix="/",
        app_name="Tiny",
        ingress_deployment_name="VLLMDeployment",
        servers=[server(f"replica-{number}", 44444 + number) for number in range(replicas)],
        fallback_server=server("fallback", 55555) if fallback else None,
    )
    file = folder / "haproxy.cfg"
    made = haproxy.HAProxyApi(config, {backend.name: backend}, str(file))
    made._generate_config_file_internal()
    text = file.read_text()
    words = {str(folder): "FOLDER", "11111": "INGRESS", "22222": "STATS", "33333": "METRICS",
             "44444": "REPLICA", "55555": "FALLBACK"}  # fmt: skip
    for value, word in words.items():
        text = text.replace(value, word)
    return text


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rl-", dir="/tmp") as folder:
        sys.stdout.write(rendered(Path(folder)))


if __name__ == "__main__":
    main()
