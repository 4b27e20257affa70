"""A replica without an engine: joins the service's Ray and speaks to the ledger as all do.

Reads a JSON object a line: `{"tell": {"spent": ..., "failed": ...}}` answers what the others did,
or null where there is no ledger; `{"kill": true}` ends the ledger's process.
"""

import asyncio
import dataclasses
import json
import sys

from app.access.ledger import ACTOR, NAMESPACE, Exchange, connect_ray
from app.access.limits import News


async def answer_questions() -> None:
    import ray

    exchange: Exchange | None = None
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "kill" in asked:
            ray.kill(ray.get_actor(ACTOR, namespace=NAMESPACE))
            print(json.dumps("killed"), flush=True)
            continue
        told = News(failed=asked["tell"].get("failed", {}))
        for account, (requests, tokens) in asked["tell"].get("spent", {}).items():
            told.spend(account, requests, tokens)
        try:
            exchange = exchange or await connect_ray()
            heard = dataclasses.asdict(await exchange("neighbour", told))
        except ray.exceptions.RayError:  # as the service: the next question makes a new one
            heard, exchange = None, None
        print(json.dumps(heard), flush=True)


def main() -> None:
    import ray

    ray.init(address=sys.argv[1], configure_logging=False, log_to_driver=False)
    asyncio.run(answer_questions())
    ray.shutdown()


if __name__ == "__main__":
    main()
