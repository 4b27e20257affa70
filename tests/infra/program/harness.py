"""Runs the whole Pulumi program on mocks and records every resource that it declares.

Each resource is recorded as the engine receives it: with its dependencies, its secrets and its
options.
"""

import asyncio
import contextvars
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format  # type: ignore[import-untyped]
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.mocks import MockMonitor

from infra import configuration, stack
from infra.components.chart import TEMPLATE
from infra.providers import secret_version
from infra.specs.serve_config import PROXIES
from tests.infra import chart
from tests.stacks import committed

# https://www.pulumi.com/docs/iac/concepts/secrets: how a secret is marked on the wire.
SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
DIGEST = "sha256:" + "1" * 64
CLUSTER_IP = "10.0.0.7"
NODE_PORT = 31234
HIDDEN = "[secret]"
# The inputs, and where in the program the resource was declared.
NO_OPTIONS = ("object", "stackTrace", "sourcePosition")


@dataclass(frozen=True)
class Declared:
    """One resource as the engine receives it."""

    type: str
    name: str
    urn: str
    parent: str
    depends_on: frozenset[str]
    """URNs."""
    inputs: Mapping[str, Any]
    """With secrets in plain text."""
    shown: Mapping[str, Any]
    """As the state and a preview show them."""
    options: Mapping[str, Any]
    """The request's other fields, in camelCase."""


@dataclass
class Program:
    """What one run declared, and its outputs."""

    resources: dict[str, Declared] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    secret_outputs: set[str] = field(default_factory=set)
    chart: dict[str, Any] = field(default_factory=dict)
    """The options with which the operator's chart was rendered."""
    checked: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Inputs of a SecretVersion as its provider completes them, by name."""

    @property
    def custom(self) -> dict[str, Declared]:
        """Resources that are not components, by `Kind name`."""
        return {
            f"{resource.type.rpartition(':')[2]} {resource.name}": resource
            for resource in self.resources.values()
            if resource.options.get("custom")
        }

    def __getitem__(self, key: str) -> Declared:
        return self.custom[key]

    def waits_for(self, key: str) -> set[str]:
        """Everything that exists before it: its dependencies, those of its parents, and theirs."""
        urns: set[str] = set()
        todo = [self[key].urn]
        while todo:
            resource = self.resources.get(todo.pop())
            if resource is not None and resource.urn not in urns:
                urns.add(resource.urn)
                todo += [*resource.depends_on, resource.parent]
        return {name for name, resource in self.custom.items() if resource.urn in urns} - {key}


class _Monitor(MockMonitor):
    """Records the request itself: mocks do not receive dependencies and options."""

    def __init__(self, mocks: Mocks, program: Program) -> None:
        super().__init__(mocks)
        self._program = program

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        with asyncio.Runner() as runner:
            runner.get_loop()
            return super().Invoke(request)  # type: ignore[no-untyped-call]

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        with asyncio.Runner() as runner:  # Pulumi would leave one open in each of its threads
            runner.get_loop()
            answer: Any = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        whole = json_format.MessageToDict(request)
        raw = whole.get("object", {})
        self._program.resources[answer.urn] = Declared(
            type=request.type,
            name=request.name,
            urn=answer.urn,
            parent=request.parent,
            depends_on=frozenset(request.dependencies),
            inputs=_without_secrets(raw, lambda value: value),
            shown=_without_secrets(raw, lambda _value: HIDDEN),
            options={key: value for key, value in whole.items() if key not in NO_OPTIONS},
        )
        return answer


def _without_secrets(value: Any, instead: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        if value.get(SIGNATURE_KEY) == SECRET_SIGNATURE:
            return instead(_without_secrets(value["value"], instead))
        return {key: _without_secrets(item, instead) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item, instead) for item in value]
    return value


@dataclass
class _Providers(Mocks):
    """Answers as the real providers would, where the program needs the answer.

    In a preview there is no digest yet, and no address: they are unknown.
    """

    preview: bool
    digest: str
    program: Program
    earlier: Program | None
    published: str = ""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "docker-build:index:Image": lambda: {"digest": self.digest},
            "docker:index/image:Image": lambda: {
                "repoDigest": f"registry.example.com/llm@{self.digest}"
            },
            "kubernetes:core/v1:Service": lambda: {
                "spec": {
                    **args.inputs["spec"],
                    "clusterIP": CLUSTER_IP,
                    "ports": [{"nodePort": NODE_PORT, **p} for p in args.inputs["spec"]["ports"]],
                },
                "metadata": {**args.inputs["metadata"], "uid": "uid-of-the-service"},
            },
            "rayline:index:PublishedAddress": lambda: {"host": self.published},
        }
        more = {} if self.preview else answers.get(args.typ, dict)()
        if args.typ.endswith(":RandomSecret") and not self.preview:
            more = {"value": f"made-{args.name}", "hash": f"hash-{args.name}"}
        if args.typ.endswith(":ServeApplications") and not self.preview:
            names = [app["name"] for app in args.inputs["config"]["applications"]]
            more = {
                "applications": {name: {"status": "RUNNING"} for name in names if name != PROXIES}
            }
        if args.typ.endswith(":PodRollout") and not self.preview:
            new = args.inputs["upgrade"] == "recreate"
            groups = args.inputs["groups"].items()
            of = {n: [f"of {g['hash'] if new else 'before'}/0"] for n, g in groups}
            more = {"incarnations": of}
        if args.typ == secret_version.TYPE:
            news = _without_secrets(args.inputs, lambda value: value)
            olds = self.earlier.checked[args.name] if self.earlier else {}
            more = secret_version.SecretVersionProvider().check(olds, news).inputs
            self.program.checked[args.name] = more
        return f"{args.name}-id", {**args.inputs, **more}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        if args.token != TEMPLATE:
            raise AssertionError(f"the program calls {args.token}; previews make one request")
        self.program.chart = json.loads(args.args["jsonOpts"])
        return {"result": chart.objects(self.program.chart["namespace"], self.program.chart)}, []


def run(
    stack_name: str,
    secrets: Mapping[str, Any] | None = None,
    *,
    preview: bool = False,
    digest: str = DIGEST,
    earlier: Program | None = None,
    published: str = "",
    **changes: Any,
) -> Program:
    """Runs the program on a stack of the repository, with encrypted `secrets` and `changes`.
    `earlier` is what the state contains, `published` is the address of a load balancer."""
    return run_values(
        committed(stack_name, **changes),
        secrets,
        stack_name,
        preview=preview,
        digest=digest,
        earlier=earlier,
        published=published,
    )


def run_values(
    whole: Mapping[str, Any],
    secrets: Mapping[str, Any] | None = None,
    stack_name: str = "prod",
    *,
    preview: bool = False,
    digest: str = DIGEST,
    earlier: Program | None = None,
    published: str = "",
) -> Program:
    """Runs the program on any values, with encrypted `secrets`."""
    values = {**whole, **(secrets or {})}
    program = Program()
    mocks = _Providers(preview, digest, program, earlier, published)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def declare() -> pulumi.Output[None]:
        exports = stack.build(configuration.load(), stack_name)
        return pulumi.Output.from_input(_resolve(exports, program))

    def start() -> None:
        pulumi.runtime.set_mocks(
            mocks,
            project="rayline",
            stack=stack_name,
            preview=preview,
            monitor=_Monitor(mocks, program),
        )
        pulumi.runtime.set_all_config(
            {
                f"rayline:{key}": value if isinstance(value, str) else json.dumps(value)
                for key, value in values.items()
            },
            [f"rayline:{key}" for key in secrets or {}],
        )
        declare()

    # Pulumi keeps the stack and its configuration in context variables, and wants the thread's
    # event loop: a run with its own of both neither inherits nor leaves any state.
    with asyncio.Runner() as runner:
        runner.get_loop()
        contextvars.Context().run(start)
    return program


async def _resolve(exports: Mapping[str, Any], program: Program) -> None:
    for name, value in exports.items():
        output = pulumi.Output.from_input(value)
        program.outputs[name] = await output.future()
        if await output.is_secret():
            program.secret_outputs.add(name)
