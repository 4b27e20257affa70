"""The report of `rayline status`, and its JSON.

`python -m cli.status.report` writes docs/reference/status.schema.json, which describes the JSON.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

SCHEMA = Path(__file__).resolve().parents[2] / "docs/reference/status.schema.json"


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        frozen=True,
        use_attribute_docstrings=True,
        extra="forbid",
    )


class Replica(_Part):
    """A replica of a model, as Serve reports it."""

    id: str
    """Serve's ID."""
    state: str
    """STARTING, RUNNING, STOPPING and others of Ray Serve's ReplicaState."""
    pod: str | None
    """The pod that it runs in; null if it has none yet, or if that pod is gone."""
    node: str | None
    """The Kubernetes node of that pod."""


class Model(_Part):
    """A model of the stack, or an application that only Ray has."""

    name: str
    """Name of the model and of its Serve application."""
    route: str
    """Path under which the API serves it."""
    status: str
    """RUNNING, DEPLOYING, DEPLOY_FAILED, UNHEALTHY and others of Ray Serve's ApplicationStatus;
    MISSING: Ray does not have it; UNKNOWN: Ray did not answer."""
    wanted: bool
    """Whether the stack has it."""
    current: bool
    """Whether Ray has it with the configuration of the stack's file."""
    wanted_replicas: int
    """As the stack's file says."""
    running_replicas: int
    """Of `replicas`, those that are RUNNING."""
    message: str
    """The cause in Ray's words; empty while it runs."""
    replicas: list[Replica]
    """All replicas in any state."""


class Pod(_Part):
    """The head, or a worker of a GPU group."""

    name: str
    """Name of the pod."""
    group: str
    """The GPU group, or `head`."""
    node: str | None
    """The node that runs it; null before it has one."""
    ready: bool
    """Whether Kubernetes reports it as Ready."""
    state: str
    """What it is doing, or what keeps it from starting."""
    restarts: int
    """How often its containers have restarted."""


class Card(_Part):
    """A card that a worker has. Kubernetes tells how many a pod has, not which ones."""

    node: str | None
    """The node that has it."""
    pod: str
    """The pod that has it."""
    resource: str
    """Its resource in Kubernetes, such as nvidia.com/gpu."""
    models: list[str]
    """Models with a replica in this pod; a further stage of a pipeline has none."""


class Node(_Part):
    """A node with pods of the stack."""

    name: str
    """Name of the node."""
    ready: bool | None
    """Whether Kubernetes reports it as Ready; null if nodes may not be read."""
    schedulable: bool | None
    """False while it is cordoned."""
    cards: dict[str, int] | None
    """Allocatable cards by resource, of the stack's GPU groups."""


class Report(_Part):
    """What really runs, and whether that is what the stack's file wants."""

    stack: str
    """Name of the stack's file."""
    context: str
    """Context of the kubeconfig."""
    namespace: str
    """Namespace of the project."""
    as_wanted: bool
    """Whether `problems` is empty: everything runs as the stack's file says."""
    problems: list[str]
    """What is not as wanted; each says what to type."""
    models: list[Model]
    pods: list[Pod]
    nodes: list[Node]
    cards: list[Card]

    def text(self) -> str:
        """One line per model, replica, pod, node and card, then the problems."""
        rows: list[tuple[str, ...]] = []
        for model in self.models:
            count = f"{model.running_replicas} of {model.wanted_replicas} replicas"
            rows.append(("model", model.name, model.status, f"{count} at {model.route}"))
            for each in model.replicas:
                where = f"pod {each.pod} on node {each.node}" if each.pod else "in no pod"
                rows.append(("replica", model.name, each.state, f"{where}, {each.id}"))
        for pod in self.pods:
            ready = "Ready" if pod.ready else "not Ready"
            state = "" if pod.ready else f", {pod.state}"
            rows.append(("pod", pod.group, ready, f"{pod.name} on node {pod.node}{state}"))
        rows += [("node", node.name, _node(node), _cards(node)) for node in self.nodes]
        for number, card in enumerate(self.cards, start=1):
            models = ", ".join(card.models) or "no replica"
            rows.append(("card", str(number), models, f"{card.resource} in pod {card.pod}"))
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = [
            "  ".join([*(row[n].ljust(widths[n]) for n in range(3)), row[3]]).rstrip()
            for row in rows
        ]
        result = "as wanted" if self.as_wanted else f"not as wanted: {len(self.problems)}"
        lines += [f"{self.stack}: {result}"]
        return "\n".join([*lines, *(f"  problem: {problem}" for problem in self.problems)])

    def json_text(self) -> str:
        """The report for programs; docs/reference/status.schema.json describes it."""
        return self.model_dump_json(by_alias=True, indent=2)


def _node(node: Node) -> str:
    if node.ready is None:
        return "UNKNOWN"
    return ("Ready" if node.ready else "not Ready") + ("" if node.schedulable else ", cordoned")


def _cards(node: Node) -> str:
    return ", ".join(f"{count} {name}" for name, count in (node.cards or {}).items())


def schema() -> str:
    """The JSON schema of the report."""
    made: dict[str, Any] = Report.model_json_schema(by_alias=True)
    return json.dumps(made, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema())
