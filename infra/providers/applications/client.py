"""Ray Serve's REST API, through the API server's service proxy.

https://docs.ray.io/en/latest/serve/api/index.html#serve-rest-api; handlers: ray/dashboard/modules/
serve/serve_head.py. The PUT answers before anything is deployed; 400 has Ray's validation text.
"""

import json
from collections.abc import Mapping
from typing import Any

from infra.providers.applications.errors import (
    ServeRejectedError,
    ServeUnauthorizedError,
    ServeUnreachableError,
)
from infra.providers.common.api_server import Answer, KubeClient, KubeError

DASHBOARD_PORT = 8265
TOKEN_KEY = "auth_token"
# Not Authorization: the API server takes that header for itself and does not pass it on.
TOKEN_HEADER = "x-ray-authorization"
FINAL = {400, 404, 405, 422, 501}


class ServeClient:
    """The applications of one RayCluster. Each method is one request and raises a ServeError.

    Ray's token is read from its Secret when it is first needed, and once more when Ray refuses it.
    """

    def __init__(
        self,
        kube: KubeClient,
        namespace: str,
        cluster: str,
        head_service: str,
        token_secret: str,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._cluster = cluster
        self._service = head_service
        self._secret = token_secret
        self.timeout = 30.0
        """Seconds that a request may take; the caller lowers it towards its deadline."""
        self._token: str | None = None
        self._path = (
            f"/api/v1/namespaces/{namespace}/services/{head_service}:{DASHBOARD_PORT}"
            "/proxy/api/serve/applications/"
        )

    def get(self) -> dict[str, Any]:
        """Ray's ServeInstanceDetails; `applications` by name is always there."""
        answer = self._call("GET")
        try:
            details = json.loads(answer.text)
        except ValueError:
            details = None
        if not isinstance(details, dict) or not isinstance(details.get("applications"), dict):
            raise ServeUnreachableError(
                f"{self._where()} answered what is not its JSON: {answer.text[:80]!r}..."
            )
        return details

    def put(self, config: Mapping[str, Any]) -> None:
        """Make `config` the wanted state. What it does not name is deleted."""
        self._call("PUT", config)

    def delete(self) -> None:
        """Shut Serve down, all applications included."""
        self._call("DELETE")

    def _call(self, method: str, body: object = None) -> Answer:
        answer = self._once(method, body)
        if answer.status in (401, 403) and not answer.from_kubernetes:
            self._token = None  # the Secret may have been changed meanwhile
            answer = self._once(method, body)
        self._raise_for(method, answer)
        return answer

    def _once(self, method: str, body: object) -> Answer:
        try:
            if self._token is None:
                self._token = self._kube.secret(self._namespace, self._secret, TOKEN_KEY)
            headers = {TOKEN_HEADER: f"Bearer {self._token}"}
            return self._kube.call(
                method, self._path, headers=headers, body=body, timeout=self.timeout
            )
        except KubeError as error:
            if error.status is None or error.status >= 500:
                raise ServeUnreachableError(str(error)) from error
            raise

    def _raise_for(self, method: str, answer: Answer) -> None:
        if answer.status < 300:
            return
        text = answer.kubernetes_message or answer.text.strip() or "no text"
        said = f"{self._where()}: {method} answered {answer.status}: {text[:4000]}"
        if answer.from_kubernetes:
            if answer.status == 404:
                raise ServeUnreachableError(
                    f"{said}. Is the head there? {self.see('get raycluster,svc,pods')}",
                    missing=True,
                )
            if answer.status < 500 and answer.status != 429:
                raise self._kube.refusal(answer, f"{method} of {self._where()}")
        elif answer.status in (401, 403):
            raise ServeUnauthorizedError(
                f"{said}. Ray's token is not the one of Secret {self._namespace}/{self._secret}, "
                f"key {TOKEN_KEY}: pods read it when they start, so it was changed since. Put the "
                f"old one back, or restart them: {self.see(f'delete pod -l {self.pods}')}"
            )
        elif answer.status in FINAL:
            raise ServeRejectedError(
                f"Ray refuses the applications. {said}. Nothing was changed; compare with "
                "rayline:models and rayline:serve"
            )
        raise ServeUnreachableError(
            f"{said}. {self.see('get pods,events')}", by_ray=not answer.from_kubernetes
        )

    def _where(self) -> str:
        return f"Ray's Serve API behind Service {self._namespace}/{self._service}"

    @property
    def pods(self) -> str:
        """Selector of the RayCluster's pods."""
        return f"ray.io/cluster={self._cluster}"

    def see(self, command: str) -> str:
        """A command to type."""
        return f"`kubectl --context {self._kube.context} -n {self._namespace} {command}`"
