"""JSON over the API server, with the kubeconfig that Pulumi has.

The `kubernetes` package is imported when a call is made: importing it takes half a second, which
every preview would pay. Only its credentials and connections are used; its generated API classes
would hide the statuses that the service proxy passes on.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

CONNECT_SECONDS = 5.0


class KubeError(Exception):
    """The API server refused, or did not answer (`status` None). The message says which context."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    text: str

    @property
    def from_kubernetes(self) -> bool:
        """Said by the API server itself and not by what its proxy leads to: a `Status` object."""
        return bool(self.kubernetes_message)

    @property
    def kubernetes_message(self) -> str:
        """Message of a `Status` object; empty where the body is something else."""
        try:
            body = json.loads(self.text)
        except ValueError:
            return ""
        if not isinstance(body, dict) or body.get("kind") != "Status":
            return ""
        return str(body.get("message") or body.get("reason") or "no message")


class KubeClient:
    """One context of the kubeconfig (KUBECONFIG or ~/.kube/config).

    Construct it where it is used and close it: connections can be neither pickled nor shared
    between processes. KubeError when the context does not exist or its credentials cannot be had.
    """

    def __init__(self, context: str) -> None:
        from kubernetes import config  # type: ignore[import-untyped]
        from kubernetes.config.config_exception import (  # type: ignore[import-untyped]
            ConfigException,
        )

        self.context = context
        try:
            # The package reads KUBECONFIG when it is imported, and never again.
            files = os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
            self._api = config.new_client_from_config(files, context=context)
        except (ConfigException, OSError) as error:
            raise KubeError(
                None,
                f"context {context!r} cannot be used: {error}. Known contexts are listed by "
                "`kubectl config get-contexts`; ours is rayline:cluster.context",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float = 30.0,
    ) -> Answer:
        """One request, never repeated. `timeout` is in seconds and for each wait for bytes.

        KubeError without a status when no whole answer came. A body is sent as JSON.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        every = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            every.setdefault("Content-Type", "application/json")
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            self._api.update_params_for_auth(every, [], ["BearerToken"])
            answer = self._api.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=every,
                timeout=Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout),
                retries=False,
                redirect=False,
            )
            return Answer(answer.status, answer.data.decode(errors="replace"))
        except (HTTPError, OSError) as error:
            # The text of urllib3's errors holds addresses and reasons, never headers.
            raise KubeError(
                None,
                f"context {self.context!r}: no answer from {self._api.configuration.host} "
                f"({_reason(error)}). `kubectl --context {self.context} version` should answer",
            ) from error

    def get(self, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """An object or list of Kubernetes. KubeError with the status when it is refused."""
        return self._object("GET", path, query=query)

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an object. KubeError with the status when it is refused."""
        return self._object("PUT", path, body=body)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object. KubeError with the status when it is refused; 409: it exists."""
        return self._object("POST", path, body=body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Delete an object. One that is absent already is no error. `body`: DeleteOptions."""
        try:
            self._object("DELETE", path, body=body)
        except KubeError as error:
            if error.status != 404:
                raise

    def secret(self, namespace: str, name: str, key: str) -> str:
        """One value of a Secret. KubeError when it is absent; the value is in no message."""
        where = f"Secret {namespace}/{name}"
        see = f"`kubectl --context {self.context} -n {namespace} get secret {name}`"
        try:
            data = self.get(f"/api/v1/namespaces/{namespace}/secrets/{name}").get("data") or {}
        except KubeError as error:
            if error.status != 404:
                raise
            raise KubeError(404, f"{where} does not exist. {see}") from error
        try:
            value = base64.b64decode(data[key], validate=True).decode().strip()
        except KeyError:
            raise KubeError(404, f"{where} has no key {key}. {see}") from None
        except (binascii.Error, UnicodeDecodeError):
            raise KubeError(None, f"{where}: {key} is not text. {see}") from None
        return value

    def _object(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> dict[str, Any]:
        answer = self.call(method, path, query=query, body=body)
        if answer.status >= 300:
            raise self.refusal(answer, f"{method} {path}")
        try:
            value = json.loads(answer.text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise KubeError(
                None, f"context {self.context!r}: {method} {path} answered no JSON object"
            )
        return value

    def refusal(self, answer: Answer, what: str) -> KubeError:
        """The API server's refusal as an error that says what to do."""
        hints = {
            401: f"the credentials of context {self.context!r} are not accepted: log in again; "
            f"`kubectl --context {self.context} auth whoami` should answer",
            403: "the user of this context may not do that: ask for a role that allows it; "
            f"`kubectl --context {self.context} auth can-i --list` shows what is allowed",
        }
        said = answer.kubernetes_message or answer.text[:300].strip() or "no text"
        hint = hints.get(answer.status)
        return KubeError(
            answer.status,
            f"context {self.context!r}: {what} answered {answer.status}: {said}"
            + (f". {hint[0].upper()}{hint[1:]}" if hint else ""),
        )


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.rsplit(">: ", 1)[-1]
