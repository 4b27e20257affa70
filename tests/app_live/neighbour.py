"""A replica without an engine: joins the service's Ray and uses the ledger as all replicas do.

Reads one JSON object per line. `{"report": {"spent": ..., "failed": ..., "places": ...}}` is
answered with the changes of the other replicas, or null without a ledger; `{"kill": true}` kills
its process.
"""

import asyncio
import dataclasses
import json
import sys

from app.access.ledger import ACTOR, NAMESPACE, Synchronize, connect_ray
from app.access.limits import Changes


async def answer_questions() -> None:
    import ray

    synchronize: Synchronize | None = None
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "kill" in asked:
            ray.kill(ray.get_actor(ACTOR, namespace=NAMESPACE))
            print(json.dumps("killed"), flush=True)
            continue
        given = asked["report"]
        own = Changes(failed=given.get("failed", {}), places=given.get("places", {}))
        for account, (requests, tokens) in given.get("spent", {}).items():
            own.spend(account, requests, tokens)
        try:
            synchronize = synchronize or await connect_ray()
            others = dataclasses.asdict(await synchronize("neighbour", own))
        except ray.exceptions.RayError:  # as in the service, the next request creates a new actor
            others, synchronize = None, None
        print(json.dumps(others), flush=True)


def main() -> None:
    import ray

    ray.init(address=sys.argv[1], configure_logging=False, log_to_driver=False)
    asyncio.run(answer_questions())
    ray.shutdown()


if __name__ == "__main__":
    main()
