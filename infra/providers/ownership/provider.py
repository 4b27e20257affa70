"""Ownership, as the plug-in provides it."""

import secrets
from collections.abc import Iterable

from infra.providers.common import kubeconfig
from infra.providers.common.call import Call, ProviderError
from infra.providers.common.looking import UnreachableError, within
from infra.providers.common.properties import Props, differing
from infra.providers.common.provider import Checked, Created, Diff, Failure, Live, Provider
from infra.providers.ownership import claims, edits, foreign, leaving
from infra.providers.ownership.foreign import Stack
from infra.providers.ownership.observe import Seen, observe
from infra.providers.ownership.resource import TYPE

ID = "ownership"
ID_BYTES = 8
COMPARED = ("context", "stack_id", "cluster_uid", "identity", "adopt")


class OwnershipProvider(Provider):
    """The one provider whose `check` asks the cluster: what it refuses must not have happened yet.

    It asks in previews too, where an unreachable cluster is only a warning. The same question is
    repeated by `create` and `update`, where it is an error.
    """

    type = TYPE

    def check(self, olds: Props, news: Props) -> Checked:
        """Fills in the stack's ID, which stays, and the cluster's."""
        inputs = {
            **news,
            "stack_id": olds.get("stack_id") or secrets.token_hex(ID_BYTES),
            "cluster_uid": olds.get("cluster_uid") or "",
            "unchecked": [],
        }
        if problems := _offline(olds, inputs):
            return Checked(inputs, _failures(problems))
        try:
            seen = _look(inputs)
        except UnreachableError as error:
            inputs["unchecked"] = ["the cluster"]
            warning = f"it was not checked whether objects of others are in the way: {error}"
            return Checked(inputs, warnings=[warning])
        problems = _conflicts(olds, inputs, seen)
        inputs["cluster_uid"] = seen.uid or inputs["cluster_uid"]
        inputs["unchecked"] = list(seen.hidden)
        return Checked(inputs, _failures(problems), _hidden(seen))

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        """What could not be checked is a change, so that `up` checks it first. Objects that Pulumi
        deletes itself are no change: a swap of models would otherwise show one here."""
        changed = differing(olds, news, COMPARED) or news["unchecked"]
        return Diff(bool(changed) or claims.kept(olds) != claims.kept(news))

    def create(self, call: Call, props: Props) -> Created:
        return Created(ID, self._own(call, {}, props))

    def update(self, call: Call, _id: str, olds: Props, news: Props) -> Props:
        return self._own(call, olds, news)

    def read(self, _call: Call, _id: str, props: Props) -> Live | None:
        """Refuses a refresh that would look for the stack's objects in another cluster."""
        if problem := _other_cluster(props, _look({**props, "objects": []})):
            raise ProviderError(problem)
        return Live(props)

    def delete(self, call: Call, _id: str, props: Props) -> None:
        """Runs after all other objects were deleted."""
        if problem := _other_cluster(props, _look({**props, "objects": []})):
            raise ProviderError(problem)
        leaving.leave(call, props)

    def _own(self, call: Call, olds: Props, news: Props) -> Props:
        seen = call.run(lambda: _look(news))
        if problems := _conflicts(olds, news, seen) or _hidden(seen):
            raise ProviderError("\n".join(problems))
        uid = seen.uid or news["cluster_uid"]
        claims.take(call, news, seen)
        claims.release(call, olds, news)
        return {**news, "cluster_uid": uid, "unchecked": []}


def _failures(problems: Iterable[str]) -> list[Failure]:
    """Without a property, whose whole value the engine would print before each message."""
    return [Failure("", problem) for problem in problems]


def _offline(olds: Props, news: Props) -> list[str]:
    """What is refused without asking the cluster."""
    found = []
    if problem := unknown_context(news["context"]):
        found.append(problem)
    if olds:
        found += edits.problems(olds["identity"], news["identity"])
    return found + foreign.unmatched(news["adopt"], news["objects"])


def unknown_context(context: str) -> str | None:
    """None if the kubeconfig has the context, or if there is no readable kubeconfig."""
    try:
        known = within(5, kubeconfig.contexts, context)
    except Exception:
        return None  # the attempt to use it names the reason
    if known is None or context in known:
        return None
    from infra.settings.framework.problems import closest, listed, set_command

    meant = closest(context, known) or next(iter(known), "<context>")
    return (
        f"rayline:cluster.context is {context!r}, which the kubeconfig {kubeconfig.files()} does "
        f"not have; its contexts are {listed(known)}. "
        f"Type: {set_command('rayline:cluster.context', meant)}"
    )


def _look(props: Props) -> Seen:
    installs = bool(props["identity"]["operator.install"])
    return observe(props["context"], props["objects"], operators=installs)


def _conflicts(olds: Props, news: Props, seen: Seen) -> list[str]:
    if problem := _other_cluster(news, seen):
        return [problem]
    stack = _stack(olds, news)
    found = foreign.find(stack, news["objects"], seen)
    return [foreign.message(found, stack)] if found else []


def _stack(olds: Props, news: Props) -> Stack:
    return Stack(id=news["stack_id"], adopt=news["adopt"], live=bool(olds))


def _other_cluster(props: Props, seen: Seen) -> str | None:
    if not seen.uid or not props["cluster_uid"] or seen.uid == props["cluster_uid"]:
        return None
    return (
        f"rayline:cluster.context {props['context']!r} leads to another cluster than that of this "
        f"stack: its namespace kube-system has the UID {seen.uid}, not {props['cluster_uid']}. "
        "Use a context of the stack's cluster, whatever its name (`kubectl config get-contexts`). "
        "For a deployment in this cluster, create a stack of its own: pulumi stack init. If the "
        "stack's cluster no longer exists, forget its objects: pulumi state delete --all"
    )


def _hidden(seen: Seen) -> list[str]:
    if not seen.hidden:
        return []
    return [
        "nobody knows whether these objects exist already and belong to others, because the user "
        f"of this context may not read them: {', '.join(seen.hidden)}"
    ]
