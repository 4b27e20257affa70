"""Runs a separate Ray with the dashboard's REST API until standard input closes.

It is a separate process so that its caller imports neither Ray nor vLLM, and so that Ray is stopped
through the handles of the process that started it. It prints Ray's address on standard output, and
removes the whole folder itself, because a caller that is killed cannot.
"""

import json
import sys
from pathlib import Path

from bench.serving.folders import remove


def main() -> None:
    wanted = json.loads(sys.stdin.readline())
    try:
        serve_until_closed(wanted)
    finally:
        remove(Path(wanted["folder"]))


def serve_until_closed(wanted: dict[str, str | int]) -> None:
    import ray
    from ray import serve

    ray.init(
        address="local",
        num_cpus=wanted["cpus"],
        object_store_memory=128 * 1024**2,
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=wanted["dashboard_port"],
        _metrics_export_port=wanted["metrics_port"],
        configure_logging=False,
        log_to_driver=False,
        _temp_dir=f"{wanted['folder']}/ray",
    )
    print(json.dumps(ray.get_runtime_context().gcs_address), flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
