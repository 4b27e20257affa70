"""JSON requests to the API server, with the kubeconfig that Pulumi uses.

Credentials and the connection are those of the `kubernetes` package, which is imported by the first
request. Its generated API classes would hide the statuses that the service proxy passes on.
"""

import base64
import binascii
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from infra.providers.common import kubeconfig, kubernetes_package
from infra.providers.common.call import ProviderError, Run, directly

CONNECT_SECONDS = 5.0
_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "rayline",
}
_LOADING = threading.Lock()


class KubeError(ProviderError):
    """The API server refused, or did not answer (`status` None). The message names the context."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def transient(self) -> bool:
        """A retry may succeed: no complete answer, a server error, or too many requests."""
        return self.status is None or self.status >= 500 or self.status == 429


@dataclass(frozen=True)
class Answer:
    """A response of any status."""

    status: int
    text: str

    @property
    def from_kubernetes(self) -> bool:
        """Whether the API server itself sent it, as a `Status` object, not the proxied service."""
        return bool(self.kubernetes_message)

    @property
    def kubernetes_message(self) -> str:
        """Message of a `Status` object; empty if the body is something else."""
        try:
            body = json.loads(self.text)
        except ValueError:
            return ""
        if not isinstance(body, dict) or body.get("kind") != "Status":
            return ""
        return str(body.get("message") or body.get("reason") or "no message")


class KubeClient:
    """One context of the kubeconfig (KUBECONFIG or ~/.kube/config).

    Construct it where it is used and close it: each operation reads its credentials afresh and
    shares no connection with another thread. KubeError when the context does not exist or its
    credentials cannot be obtained. `run` makes the blocking calls; with `Call.run`, Ctrl-C ends
    them.
    """

    def __init__(self, context: str, run: Run = directly) -> None:
        import urllib3

        package = kubernetes_package.load()
        self.context = context
        self._run = run
        configuration = package.Configuration()
        try:
            # May start a credential plug-in of the kubeconfig, which may wait for a login.
            run(lambda: _load(package, kubeconfig.files(), context, configuration))
        except (package.ConfigException, OSError) as error:
            raise KubeError(
                None,
                f"context {context!r} cannot be used: {error}. `kubectl config get-contexts` lists "
                "the known contexts; this stack's is rayline:cluster.context",
            ) from error
        configuration.retries = False
        # `insecure-skip-tls-verify` is the kubeconfig's own choice; one warning per request is not.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._configuration = configuration
        self._pool = package.RESTClientObject(configuration).pool_manager

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

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
        """One request, never repeated. `timeout` is in seconds, for each wait for bytes.

        KubeError without a status if no complete answer arrives. A body is sent as JSON.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        def once() -> Answer:
            response = self._pool.request(
                method,
                f"{self._configuration.host}{path}{f'?{urlencode(query)}' if query else ''}",
                body=None if body is None else json.dumps(body),
                headers={**_HEADERS, **(headers or {}), **self._authorization()},
                timeout=Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout),
            )
            return Answer(response.status, response.data.decode(errors="replace"))

        try:
            return self._run(once)
        except (HTTPError, OSError) as error:
            # The text of urllib3's errors contains addresses and reasons, never headers.
            raise self._no_answer(_reason(error)) from error
        except ValueError:
            # `http.client` names the value of the header, which is the token.
            raise KubeError(
                None,
                f"context {self.context!r}: its token contains characters that no HTTP header can "
                "have. Correct the user of this context in the kubeconfig, or log in again",
            ) from None

    def _authorization(self) -> dict[str, str]:
        """Obtains a new token if the last one has expired."""
        settings = self._configuration.auth_settings().values()
        return {setting["key"]: setting["value"] for setting in settings if setting["value"]}

    def _no_answer(self, reason: str) -> KubeError:
        return KubeError(
            None,
            f"context {self.context!r}: no answer from {self._configuration.host} ({reason}). "
            f"`kubectl --context {self.context} version` should answer",
        )

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
        """Delete an object; succeeds when it is absent already. `body`: DeleteOptions."""
        try:
            self._object("DELETE", path, body=body)
        except KubeError as error:
            if error.status != 404:
                raise

    def secret(self, namespace: str, name: str, key: str) -> str:
        """One value of a Secret. KubeError when it is absent; no message contains the value."""
        where = f"Secret {namespace}/{name}"
        command = f"`kubectl --context {self.context} -n {namespace} get secret {name}`"
        try:
            data = self.get(f"/api/v1/namespaces/{namespace}/secrets/{name}").get("data") or {}
        except KubeError as error:
            if error.status != 404:
                raise
            raise KubeError(404, f"{where} does not exist. {command}") from error
        try:
            value = base64.b64decode(data[key], validate=True).decode().strip()
        except KeyError:
            raise KubeError(404, f"{where} has no key {key}. {command}") from None
        except (binascii.Error, UnicodeDecodeError):
            raise KubeError(None, f"{where}: {key} is not text. {command}") from None
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
        return self.parsed(answer, f"{method} {path}")

    def parsed(self, answer: Answer, what: str) -> dict[str, Any]:
        """The object in an answer. KubeError with the status when it is a refusal."""
        if answer.status >= 300:
            raise self.refusal(answer, what)
        try:
            value = json.loads(answer.text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise KubeError(None, f"context {self.context!r}: {what} did not return a JSON object")
        return value

    def refusal(self, answer: Answer, what: str) -> KubeError:
        """The API server's refusal as an error that states what to do."""
        hints = {
            401: f"the credentials of context {self.context!r} were not accepted: log in again; "
            f"`kubectl --context {self.context} auth whoami` should answer",
            403: "the user of this context lacks this permission: ask for a role that grants it; "
            f"`kubectl --context {self.context} auth can-i --list` shows what is allowed",
        }
        message = answer.kubernetes_message or answer.text[:300].strip() or "no text"
        hint = hints.get(answer.status)
        return KubeError(
            answer.status,
            f"context {self.context!r}: {what} answered {answer.status}: {message}"
            + (f". {hint[0].upper()}{hint[1:]}" if hint else ""),
        )


def _load(
    package: kubernetes_package.Package, files: str, context: str, configuration: Any
) -> None:
    """One at a time: the package copies certificates of the kubeconfig into files that all loads
    share, and publishes a file's name before it has written the file.

    ConfigException also when a credential plug-in fails, which the package only logs before it goes
    on without credentials.
    """
    from yaml import YAMLError

    logged = _Logged()
    with _LOADING:
        logging.getLogger().addHandler(logged)
        try:
            package.kube_config.load_kube_config(files, context, configuration)
        except YAMLError as error:
            raise package.ConfigException(f"{files} is not YAML: {_line(error)}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # The package checks little of what it reads.
            raise package.ConfigException(f"{files} is not a kubeconfig: {_line(error)}") from error
        finally:
            logging.getLogger().removeHandler(logged)
    if logged.errors:
        raise package.ConfigException(f"its credential plug-in failed: {logged.errors[0]}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Logged(logging.Handler):
    """Collects what the package logs while it loads a kubeconfig."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.module == "kube_config":
            # "exec: process returned 3. <its own output>", which may contain secrets.
            self.errors.append(record.getMessage().partition(". ")[0].strip())


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.rsplit(">: ", 1)[-1]
