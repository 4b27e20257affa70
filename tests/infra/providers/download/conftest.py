"""The fake of the API server, as the context of a kubeconfig."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.providers.download.cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with Cluster() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake
