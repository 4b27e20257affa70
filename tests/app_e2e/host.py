"""A Ray of its own for the tests, with the dashboard's REST API, until its standard input closes.

Runs as a process of its own, so that the tests import neither Ray nor vLLM, and so that Ray is
ended through the handles of the process that started it. Says `{"ready": true}` on standard output.
"""

import json
import sys


def main() -> None:
    wanted = json.loads(sys.stdin.readline())
    import ray
    from ray import serve

    ray.init(
        address="local",
        num_cpus=wanted["cpus"],
        object_store_memory=128 * 1024**2,
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=wanted["dashboard_port"],
        configure_logging=False,
        log_to_driver=False,
        _temp_dir=wanted["folder"],
    )
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
