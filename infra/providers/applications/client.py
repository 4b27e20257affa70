"""Ray Serve's REST API, through the API server's service proxy.

https://docs.ray.io/en/latest/serve/api/index.html#serve-rest-api; handlers: ray/dashboard/modules/
serve/serve_head.py. The PUT answers before anything is deployed; 400 has Ray's validation text.
"""

import json
from collections.abc import Mapping
from typing import Any

from infra.providers.common.api_server import Answer, KubeClient, KubeError
from infra.providers.common.call import ProviderError

DASHBOARD_PORT = 8265
TOKEN_KEY = "auth_token"
# Not Authorization: the API server consumes that header and does not pass it on.
TOKEN_HEADER = "x-ray-authorization"
FINAL = {400, 404, 405, 422, 501}


class ServeError(ProviderError):
    """Each message states the cause, which applications it concerns, and what to type."""


class ServeUnreachableError(ServeError):
    """No complete answer: connection refused or cut off, an error of the proxy, truncated JSON.

    A retry may succeed. `missing`: the API server reports that the Service does not exist.
    `by_ray`: Ray itself answered with an error. `no_api_server`: not even the API server answered.
    """

    def __init__(
        self,
        message: str,
        *,
        missing: bool = False,
        by_ray: bool = False,
        no_api_server: bool = False,
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.by_ray = by_ray
        self.no_api_server = no_api_server


class ServeUnauthorizedError(ServeError):
    """Ray answered 401 or 403: it does not accept the token. A retry does not help."""


class ServeRejectedError(ServeError):
    """Ray answered 400, whose validation text is in the message, or another final refusal."""


class ServeClient:
    """The applications of one RayCluster. Each method is one request and may raise a ServeError.

    The first request reads Ray's token from its Secret; a refusal makes it read the token again.
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
        """Seconds that a request may take; callers lower it as their deadline approaches."""
        self._token: str | None = None
        self._path = (
            f"/api/v1/namespaces/{namespace}/services/{head_service}:{DASHBOARD_PORT}"
            "/proxy/api/serve/applications/"
        )

    def get(self) -> dict[str, Any]:
        """Ray's ServeInstanceDetails, which always has `applications` by name."""
        answer = self._call("GET")
        try:
            details = json.loads(answer.text)
        except ValueError:
            details = None
        if not isinstance(details, dict) or not isinstance(details.get("applications"), dict):
            raise ServeUnreachableError(
                f"{self._where()} did not answer with its JSON: {answer.text[:80]!r}..."
            )
        return details

    def put(self, config: Mapping[str, Any]) -> None:
        """Make `config` the wanted state. Ray deletes applications that it does not name."""
        self._call("PUT", config)

    def delete(self) -> None:
        """Shut Serve down, including all applications."""
        self._call("DELETE")

    def _call(self, method: str, body: object = None) -> Answer:
        answer = self._once(method, body)
        if answer.status in (401, 403) and not answer.from_kubernetes:
            self._token = None  # the Secret may have changed since
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
                raise ServeUnreachableError(str(error), no_api_server=True) from error
            raise

    def _raise_for(self, method: str, answer: Answer) -> None:
        if answer.status < 300:
            return
        text = answer.kubernetes_message or answer.text.strip() or "no text"
        refusal = f"{self._where()}: {method} answered {answer.status}: {text[:4000]}"
        if answer.from_kubernetes:
            if answer.status == 404:
                raise ServeUnreachableError(
                    f"{refusal}. Does the head exist? {self.command('get raycluster,svc,pods')}",
                    missing=True,
                )
            if answer.status < 500 and answer.status != 429:
                raise self._kube.refusal(answer, f"{method} of {self._where()}")
        elif answer.status in (401, 403):
            raise ServeUnauthorizedError(
                f"{refusal}. Ray's token is not that of Secret {self._namespace}/{self._secret}, "
                f"key {TOKEN_KEY}: pods read it when they start, so it has changed since. Restore "
                f"the old one, or restart them: {self.command(f'delete pod -l {self.pods}')}"
            )
        elif answer.status in FINAL:
            raise ServeRejectedError(
                f"Ray refuses the applications. {refusal}. Nothing has changed; compare with "
                "rayline:models and rayline:serve"
            )
        raise ServeUnreachableError(
            f"{refusal}. {self.command('get pods,events')}", by_ray=not answer.from_kubernetes
        )

    def _where(self) -> str:
        return f"Ray's Serve API behind Service {self._namespace}/{self._service}"

    @property
    def pods(self) -> str:
        """Selector of the RayCluster's pods."""
        return f"ray.io/cluster={self._cluster}"

    def command(self, kubectl: str) -> str:
        """A kubectl command for the user to type."""
        return f"`kubectl --context {self._kube.context} -n {self._namespace} {kubectl}`"
