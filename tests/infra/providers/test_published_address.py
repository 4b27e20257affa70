"""A load balancer's address is looked for until there is one. Under the real engine: engine/."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.providers.common.api_server import KubeError
from infra.providers.published_address import PublishedAddressProvider
from tests.infra.providers.calls import call
from tests.infra.providers.common.fake_api_server import CONTEXT, FakeApi, Request, refused

PROVIDER = PublishedAddressProvider()
INPUTS = {"context": CONTEXT, "namespace": "llm", "service": "api", "service_uid": "u"}


@dataclass
class Balancer(FakeApi):
    """A Service with this status; None: there is none."""

    status: dict[str, Any] | None = field(default_factory=dict)
    reason: int = 404

    def answer(self, request: Request) -> tuple[int, Any]:
        if request.path != "/api/v1/namespaces/llm/services/api" or self.status is None:
            return refused(self.reason, "NotFound", "not found")
        return 200, {"status": self.status}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Balancer]:
    with Balancer() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


@pytest.mark.parametrize(
    ("ingress", "host"),
    [
        (None, ""),
        ([], ""),
        ([{"ip": "192.0.2.7"}], "192.0.2.7"),
        ([{"hostname": "a.example"}], "a.example"),
        ([{}, {"ip": "", "hostname": "b.example"}], "b.example"),
    ],
)
def test_the_first_address_counts(api: Balancer, ingress: Any, host: str) -> None:
    api.status = {"loadBalancer": {"ingress": ingress}}
    made = PROVIDER.create(call(), {**INPUTS, "host": None})
    assert (made.id, made.outs) == ("u", {**INPUTS, "host": host})
    assert PROVIDER.update(call(), "u", made.outs, INPUTS) == made.outs
    # Without an address, every `up` has something to do.
    assert PROVIDER.diff("u", made.outs, INPUTS).changes is not bool(host)


@pytest.mark.parametrize("key", INPUTS)
def test_another_service_has_another_address(key: str) -> None:
    known = {**INPUTS, "host": "192.0.2.7"}
    assert PROVIDER.diff("u", known, {**INPUTS, key: "other"}).changes is True
    assert PROVIDER.diff("u", known, INPUTS).changes is False


def test_a_service_that_is_gone_has_no_resource(api: Balancer) -> None:
    api.status = None
    assert PROVIDER.read(call(), "u", {**INPUTS, "host": "x"}) is None
    api.reason = 403
    with pytest.raises(KubeError):
        PROVIDER.read(call(), "u", {**INPUTS, "host": "x"})
