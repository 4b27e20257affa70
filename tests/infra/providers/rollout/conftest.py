"""Rollouts on a fake of KubeRay, for all files of this folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.providers.common.api_server import KubeClient
from infra.providers.common.waiting import Waiting
from infra.providers.rollout.cluster import RayClusterPods
from infra.providers.rollout.pods import Observed
from infra.providers.rollout.reconcile import Rollout
from infra.providers.rollout.rolling import Serving
from tests.infra.providers.common.fake_api_server import CONTEXT
from tests.infra.providers.rollout.kuberay import (
    CLUSTER,
    HEAD_SERVICE,
    NAMESPACE,
    TOKEN_SECRET,
    FakeKubeRay,
)


class Bench:
    """One fake, and rollouts on it."""

    def __init__(self, fake: FakeKubeRay, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fake = fake
        self.lines: list[str] = []
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(folder)))
        self.kube = KubeClient(CONTEXT)

    def run(
        self, wanted: dict[str, Any], upgrade: str = "recreate", deadline: float = 1800
    ) -> Observed:
        waiting = Waiting(self.lines.append, self.fake.clock, deadline)
        cluster = RayClusterPods(self.kube, NAMESPACE, CLUSTER)
        serving = Serving(cluster.serve(HEAD_SERVICE, TOKEN_SECRET))
        work = Rollout(cluster, wanted, upgrade, waiting, serving)
        work.run()
        return work.observed


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with FakeKubeRay() as fake:
        made = Bench(fake, tmp_path, monkeypatch)
        with made.kube:
            yield made
