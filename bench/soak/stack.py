"""The stack of `make up` with two replicas, and its changes during a soak."""

import base64
import json
import secrets
import time
from typing import Any

from bench.faults.state import NAMESPACE
from bench.soak.load import Access
from bench.soak.report import Deployed
from bench.soak.schedule import DEPLOYMENT, ROTATION, Action
from sandbox.cluster.kubectl import Kubectl
from sandbox.local_stack import LocalStack
from sandbox.settings import Settings
from toolchain.errors import CommandError

UP = ("up", "--yes", "--skip-preview", "--non-interactive", "--color=never")
ATTEMPTS = 3


class Stack:
    def __init__(self, kubectl: Kubectl) -> None:
        self._stack, self._kubectl = LocalStack(), kubectl
        self._stack.prepare(Settings())
        self._committed = self._stack.read()
        self._deployments = 0

    def begin(self) -> Access:
        """Two workers, each with a replica."""
        content = self._stack.read()
        content["config"]["rayline:gpuGroups"][0]["workers"] = 2
        content["config"]["rayline:models"][0]["replicas"] = 2
        self._stack.write(content)
        self._up(ATTEMPTS)
        outputs = self._stack.outputs()
        model, served = next(iter(outputs["models"].items()))
        base = outputs["apiUrl"] + served["route_prefix"].rstrip("/")
        user, password = next(iter(outputs["passwords"].items()))
        return Access(base, model, user, password)

    def end(self) -> None:
        """As it was committed."""
        self._stack.write(self._committed)
        self._up(ATTEMPTS)

    def change(self, action: Action) -> Deployed:
        """Rotate the signing key, deploy the model anew, or both, by one `up`, which is repeated
        when a kill has made it fail."""
        began = time.monotonic()
        try:
            attempts, error = self._changed(action), ""
        except CommandError as failed:
            attempts, error = ATTEMPTS, str(failed)[-1000:]
        return Deployed(action, time.monotonic() - began, attempts, error)

    def _changed(self, action: Action) -> int:
        if ROTATION in action.kind:
            self._rotate()
        if DEPLOYMENT in action.kind:
            self._deployments += 1
            content = self._stack.read()
            environment = content["config"]["rayline:models"][0].setdefault("env", {})
            environment["RAYLINE_SOAK"] = str(self._deployments)
            self._stack.write(content)
        return self._up(ATTEMPTS)

    def _rotate(self) -> None:
        """docs/how-to/rotate-keys.md."""
        text = self._kubectl.run("-n", NAMESPACE, "get", "secret", "auth-config", "-o", "json")
        data: dict[str, Any] = json.loads(text)["data"]
        self._set("rayline:jwtPreviousKeys", base64.b64decode(data["JWT_KEY"]).decode())
        self._set("rayline:jwtKey", secrets.token_urlsafe(48))

    def _set(self, key: str, value: str) -> None:
        done = self._stack.run("config", "set", "--secret", key, capture=True, stdin=value)
        if done.returncode:
            raise CommandError(f"`pulumi config set {key}` failed: {done.stderr.strip()}")

    def _up(self, attempts: int) -> int:
        """How many it took."""
        for number in range(1, attempts + 1):
            done = self._stack.run(*UP, capture=True)
            if not done.returncode:
                return number
        raise CommandError(f"`pulumi up` failed {attempts} times: {done.stdout}{done.stderr}")
