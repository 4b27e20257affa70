"""The table of one application: for each POST route, what is judged in its body."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from app.access.routes import OPERATE, Route
from app.errors import RefusedError
from app.guard.bounds import Bounds
from app.guard.fields.judge import SLICE, Judge, check_depth
from app.guard.fields.placement import own
from app.guard.fields.schema import Compiler, Node, Schema

_log = logging.getLogger("rayline.guard")


class Table:
    """What the bodies of one application's routes may contain; made once, when it is first seen."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        compiler = Compiler(document)
        described = {
            path: _bodies(item["post"])
            for path, item in document.get("paths", {}).items()
            if "post" in item
        }
        nodes = {path: compiler.body(bodies) for path, bodies in described.items() if bodies}
        for path, sources in own.UNDESCRIBED.items():
            bodies = [body for source in sources for body in described.get(source, ())]
            if bodies:
                nodes.setdefault(path, compiler.body(bodies))
        for path, name in own.UNDESCRIBED_MODELS.items():
            nodes.setdefault(path, compiler.body([{"$ref": name}]))
        compiler.prune()
        self._nodes: dict[str, Node] = nodes
        self.unplaced = frozenset(compiler.unplaced)
        if self.unplaced:
            names = ", ".join(sorted(self.unplaced))
            _log.warning("Fields of this vLLM that the guard does not know are closed: %s.", names)

    async def check(
        self, document: Mapping[str, Any], route: Route, bounds: Bounds, operates: bool
    ) -> None:
        """Raise RefusedError 400 for a body that exceeds a bound.

        `operates`: the caller's role may set fields that reach into the engine.
        """
        await check_depth(document, bounds.json_depth)
        node = self._nodes.get(route.template)
        if node is None:
            if document and route.group != OPERATE:
                text = "vLLM does not describe a body of this route; send none."
                raise RefusedError(400, "unexpected_body", text)
            return
        judge = Judge(node, document, bounds, operates)
        while judge.step(SLICE):
            await asyncio.sleep(0)


def _bodies(operation: Mapping[str, Any]) -> list[Schema]:
    content = operation.get("requestBody", {}).get("content", {})
    return [body["schema"] for body in content.values() if "schema" in body]
