"""Runs the whole Pulumi program on mocks and records every resource that it declares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from infra import stack
from infra.configuration import Configuration

DIGEST = "sha256:" + "1" * 64
CLUSTER_IP = "10.0.0.7"


@dataclass(frozen=True)
class Declared:
    """One resource as the engine was told of it."""

    type: str
    name: str
    inputs: Mapping[str, Any]


@dataclass
class Recorder(Mocks):
    """Answers as the real providers would, where the program needs the answer."""

    resources: list[Declared] = field(default_factory=list)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.resources.append(Declared(args.typ, args.name, args.inputs))
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "docker-build:index:Image": lambda: {"digest": DIGEST},
            "docker:index/image:Image": lambda: {"repoDigest": f"registry.example.com/x@{DIGEST}"},
            "kubernetes:core/v1:Service": lambda: {
                "spec": {**args.inputs["spec"], "clusterIP": CLUSTER_IP}
            },
        }
        more = answers.get(args.typ, dict)()
        if args.typ.endswith(":GeneratedSecret"):
            more = {"value": f"made-{args.name}", "hash": f"hash-{args.name}"}
        return f"{args.name}-id", {**args.inputs, **more}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls {args.token}; previews must not ask anyone")

    def of_type(self, ending: str) -> list[Declared]:
        """Resources whose type ends so, such as `:Job`."""
        return [found for found in self.resources if found.type.endswith(ending)]

    def one(self, ending: str) -> Declared:
        found = self.of_type(ending)
        assert len(found) == 1, [f.name for f in found]
        return found[0]


def run(configuration: Configuration) -> tuple[Recorder, dict[str, Any]]:
    """The recorded resources and the resolved outputs."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="rayline", stack="test", preview=False)
    resolved: dict[str, Any] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[None]:
        exports = stack.build(configuration, "test")
        return pulumi.Output.all(**exports).apply(resolved.update)

    program()
    return recorder, resolved
