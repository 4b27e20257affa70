"""How long a pod may have a trouble before it counts as failed.

Waiting is right for whatever may end without an edit of the configuration: a node autoscaler adds a
node, a registry comes back, another workload leaves. Then only the caller's deadline ends the wait,
and the user sees the reason from the first moment. A shorter patience is for what Kubernetes or the
registry has answered for good.

No message of the scheduler is such an answer: autoscalers add nodes of other labels, taints and
sizes, from zero if necessary, and the message only describes the nodes of this moment.
"""

import math
from dataclasses import dataclass

from infra.providers.common.pods import Trouble
from infra.providers.common.waiting import Waiting

ADVISE_SECONDS = 60.0
"""After this many seconds the line also states what to check."""
REFUSED_SECONDS = 120.0
"""For a definite answer. Kubelet asks again after 10, 20, 40 and 80 s, and a Secret for pulling, or
an image that is being pushed, may still arrive."""
MISSING_SECONDS = 300.0
"""For a Secret or ConfigMap that does not exist: another controller may be about to create it."""
CRASH_SECONDS = 60.0
"""Kubernetes reports a crash loop only after several attempts."""

_REFUSALS = (
    "not found",
    "manifest unknown",
    "name unknown",
    "no match for platform",
    "unauthorized",
    "authorization failed",
    "denied",
    "forbidden",
    "x509",
    "server gave http response to https client",
    "invalid reference format",
)
"""Parts of a registry's final answers, in lower case, as containerd and CRI-O pass them on."""
_IMAGE = {"ErrImagePull", "ImagePullBackOff"}
_BARE_BACK_OFF = "back-off pulling image"
_ADVICE = (
    ("insufficient", "free or add that resource, or request less"),
    ("taint", "compare the taints of the nodes with `tolerations`"),
    ("affinity/selector", "compare the labels of the nodes with `nodeSelector` and `nodeGroup`"),
    ("anti-affinity", "pods of one group need a node each: add nodes or reduce the number"),
    ("persistentvolumeclaim", "look at the claim of `rayline:storage`"),
    ("no nodes available", "the cluster has no node that accepts pods"),
)


@dataclass(frozen=True)
class Verdict:
    """What to show about a trouble, and whether to stop waiting."""

    text: str
    """Kubernetes' reason and message, and after a minute what to check."""
    failed: bool


class Patience:
    """The troubles of all pods during one wait."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._answers: dict[str, Trouble] = {}

    def judge(self, name: str, trouble: Trouble | None) -> Verdict | None:
        """To be called in every turn for every pod; `name` is the pod's. None without trouble."""
        lasts = self._waiting.lasts(f"trouble {name}", trouble is not None)
        if trouble is None:
            self._answers.pop(name, None)
            return None
        trouble = self._informative(name, trouble)
        text = f"{trouble.kind}: {trouble.text}"
        if lasts >= ADVISE_SECONDS:
            text += _advice(trouble)
        return Verdict(text, lasts >= seconds(trouble))

    def _informative(self, name: str, trouble: Trouble) -> Trouble:
        """Between two attempts, older kubelets say that they wait, but no longer why."""
        if trouble.kind == "ImagePullBackOff" and _bare(trouble.text):
            return self._answers.get(name, trouble)
        self._answers[name] = trouble
        return trouble


def seconds(trouble: Trouble) -> float:
    """For how long a trouble may last; infinite: until the caller's deadline."""
    text = trouble.text.lower()
    patience = REFUSED_SECONDS
    if trouble.kind == "Unschedulable":
        patience = math.inf
    elif trouble.kind in _IMAGE:
        patience = REFUSED_SECONDS if any(part in text for part in _REFUSALS) else math.inf
    elif trouble.kind == "CrashLoopBackOff":
        patience = CRASH_SECONDS
    elif trouble.kind == "CreateContainerConfigError" and "not found" in text:
        patience = MISSING_SECONDS
    return patience


def _advice(trouble: Trouble) -> str:
    if trouble.kind in _IMAGE and math.isinf(seconds(trouble)):
        return ". Waiting for the registry: can this node reach it?"
    if trouble.kind != "Unschedulable":
        return ""
    text = trouble.text.lower()
    found = [advice for part, advice in _ADVICE if part in text]
    return ". Waiting for a node: if no autoscaler adds one, " + (
        "; ".join(found) or "look at the events of the pod"
    )


def _bare(text: str) -> bool:
    _, _, rest = text.lower().partition(_BARE_BACK_OFF)
    return bool(rest) and ": " not in rest
