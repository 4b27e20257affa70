"""Requests to one API server that only read, each within one time limit.

They run in threads that nobody waits for once the time is over: a server that does not answer must
delay neither a preview nor the end of the process.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from infra.cluster_check import parse
from infra.cluster_check.facts import Fact, Right, known
from infra.providers.common import kubernetes_package
from infra.providers.common.api_server import Answer, KubeClient, KubeError

T = TypeVar("T")
PAGE, PAGES = 500, 8
"""A list of more objects than PAGE x PAGES stays unknown."""
THREADS = 4
"""Each opens a connection of its own, whose handshake costs more than a request."""
ACCESS_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Asking:
    """One context of the kubeconfig, for `seconds` from now on."""

    def __init__(self, context: str, seconds: float) -> None:
        # On a busy machine the import takes a part of a second, which is not the server's fault.
        kubernetes_package.load()
        self._context = context
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._client: KubeClient

    def open(self) -> str:
        """Obtain credentials; the version of the API server, empty if it may not be read."""
        self._client = KubeClient(self._context)
        answer = self._client.call("GET", parse.VERSION, timeout=self._left())
        if answer.status == 403:
            return ""
        return str(self._document(answer, parse.VERSION).get("gitVersion"))

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """An object or a page of a list. KubeError with the status when it is refused."""
        answer = self._client.call("GET", path, query=query, timeout=self._left())
        return self._document(answer, path)

    def _document(self, answer: Answer, path: str) -> dict[str, Any]:
        if answer.status == 403:
            raise parse.UnexpectedError(f"the context's user may not read {path}")
        if answer.status >= 300:
            raise self._client.refusal(answer, f"GET {path}")
        return parse.document(answer.text, path)

    def object(self, path: str, convert: Callable[[Any], T]) -> T | None:
        """None if there is no such object."""
        try:
            return convert(self.get(path))
        except KubeError as error:
            if error.status != 404:
                raise
            return None

    def several(self, path: str, convert: Callable[[Any], T], **query: str) -> tuple[T, ...]:
        """A list of objects, page by page."""
        items: list[Any] = []
        more = {"limit": str(PAGE)}
        for _ in range(PAGES):
            page = self.get(path, **query, **more)
            items += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return tuple(map(convert, items))
            more["continue"] = token
        raise parse.UnexpectedError(f"{path} has more than {len(items)} objects")

    def may(self, right: Right) -> bool:
        """Whether the user of the context has a permission. The review is not stored."""
        resource, _, subresource = right.resource.partition("/")
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": right.namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._client.post(ACCESS_REVIEW, review)
        allowed = (answer.get("status") or {}).get("allowed")
        if not isinstance(allowed, bool):
            raise parse.UnexpectedError("the API server does not answer access reviews")
        return allowed

    def _left(self) -> float:
        return max(0.1, self._until - time.monotonic())

    def all(self, work: Mapping[str, Callable[[], Any]]) -> dict[str, Fact[Any]]:
        """The results of all functions that end in time; the others are unknown."""
        waiting: queue.SimpleQueue[tuple[str, Callable[[], Any]]] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[str, Fact[Any]]] = queue.SimpleQueue()
        for item in work.items():
            waiting.put(item)

        def run() -> None:
            while True:
                try:
                    name, function = waiting.get_nowait()
                except queue.Empty:
                    return
                done.put((name, _fact(function)))

        for _ in range(min(THREADS, len(work))):
            threading.Thread(target=run, daemon=True).start()
        late = f"context {self._context!r} gave no answer within {self._seconds:g} s"
        found = {name: Fact[Any](None, late) for name in work}
        try:
            for _ in work:
                name, fact = done.get(timeout=self._left())
                found[name] = fact
        except queue.Empty:
            pass
        return found


def _fact(function: Callable[[], Any]) -> Fact[Any]:
    try:
        return known(function())
    except KubeError as error:
        return Fact(None, parse.plain(str(error)))
    except (parse.UnexpectedError, OSError) as error:
        return Fact(None, str(error))
    except Exception as error:  # one odd answer must not end a preview
        return Fact(None, f"an answer is not what Kubernetes sends ({type(error).__name__})")
