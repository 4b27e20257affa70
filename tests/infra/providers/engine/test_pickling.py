"""The providers travel to Pulumi's plug-in by name; the plug-in must be able to import them."""

import base64
import subprocess
import sys

import pytest
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider

from infra.providers.applications.provider import ServeApplicationsProvider
from infra.providers.crds.provider import CrdsProvider
from infra.providers.download.provider import DownloadJobProvider
from infra.providers.group_order.provider import WorkerGroupsProvider
from infra.providers.random_secret.provider import GeneratedSecretProvider
from infra.providers.rollout.provider import PodRolloutProvider

PROVIDERS: list[ResourceProvider] = [
    CrdsProvider(),
    DownloadJobProvider(),
    GeneratedSecretProvider(),
    PodRolloutProvider(),
    ServeApplicationsProvider(),
    WorkerGroupsProvider(),
]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: type(p).__name__)
def test_the_pickle_is_a_name_and_loads_in_a_clean_process(provider: ResourceProvider) -> None:
    blob = base64.b64decode(serialize_provider(provider))
    assert type(provider).__module__.encode() in blob
    assert len(blob) < 120
    assert vars(provider) == {}
    code = (
        "import sys, dill; from pulumi.runtime import Settings\n"
        "import pulumi.runtime.resource as r\n"
        "def register(*_a, **_k): raise SystemExit('an import registers a resource')\n"
        "r.register_resource = register\n"
        f"p = dill.loads({blob!r}); print(type(p).__name__)\n"
        "print([heavy for heavy in ('kubernetes', 'pydantic') if heavy in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.split() == [type(provider).__name__, "[]"]
