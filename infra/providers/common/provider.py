"""The contract between a resource's provider and the plug-in: plain values in, plain values out.

Only `check`, `diff` and `drifted` run in a preview. The first two may not use the network, with one
exception: the check of Ownership asks the cluster what exists already. It and `drifted` ask for a
few seconds at most. A provider that did so in every resource would make each preview as slow as its
slowest answer.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from infra.providers.common.call import Call
from infra.providers.common.properties import Props


@dataclass(frozen=True)
class Failure:
    """One input that is refused, and why."""

    property: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """The inputs to keep in the state; any failure ends the preview or `up`, a warning is shown."""

    inputs: Props
    failures: Sequence[Failure] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Diff:
    """Whether an update is needed, and the inputs that force a replacement."""

    changes: bool
    replaces: Sequence[str] = ()


@dataclass(frozen=True)
class Created:
    """A new resource's ID and outputs."""

    id: str
    outs: Props


@dataclass(frozen=True)
class Live:
    """The live resource. `inputs` replace those in the state; None keeps them."""

    outs: Props
    inputs: Props | None = None


class Provider(ABC):
    """One type of resource. One object serves requests of many threads, so it has no state."""

    type: ClassVar[str]
    """Type token. It never changes, because Pulumi finds resources in a user's state by it."""
    outputs: ClassVar[tuple[str, ...]] = ()
    """Outputs that are not inputs; a preview that creates or updates does not know them."""
    secret_outputs: ClassVar[tuple[str, ...]] = ()

    def check(self, _olds: Props, news: Props) -> Checked:
        """Validate the inputs; `_olds` are those of the last deployment, empty at first."""
        return Checked(news)

    @abstractmethod
    def diff(self, id_: str, olds: Props, news: Props) -> Diff:
        """Compare the outputs in the state with new inputs."""

    def drifted(self, _call: Call, _olds: Props, _news: Props) -> bool:
        """Whether an update is needed although `diff` found none, because the live resource is not
        what the state says. The engine does not tell a preview from an `up` here, so what could not
        be looked at is a change: `up` then looks again, and fails with the reason."""
        return False

    @abstractmethod
    def create(self, call: Call, props: Props) -> Created:
        """Create the resource, or adopt what an interrupted `up` left."""

    @abstractmethod
    def update(self, call: Call, id_: str, olds: Props, news: Props) -> Props:
        """Returns the new outputs."""

    def read(self, _call: Call, _id: str, props: Props) -> Live | None:
        """The live resource; None if it is gone, so that the engine drops it."""
        return Live(props)

    def delete(self, _call: Call, _id: str, _props: Props) -> None:
        """By default, nothing outside the state exists."""
        return
