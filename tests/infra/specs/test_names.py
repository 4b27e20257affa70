"""Names are valid for Kubernetes and KubeRay, and different objects have different names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.settings import StackSettings
from infra.specs import names
from tests.infra.specs.original import ORIGINAL, original

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
CLUSTERS = st.from_regex(r"\A[a-z]([-a-z0-9]{0,45}[a-z0-9])?\Z")
MODELS = st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z")
GROUPS = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")


def named(cluster: str, model: str = "m", group: str = "g") -> StackSettings:
    return original(
        ray={"name": cluster},
        gpuGroups=[{"name": group, "gpu": {"model": "x", "memoryGib": 1}}],
        models=[{"name": model, "source": "a/b", "gpuGroup": group}],
    )


@given(CLUSTERS, MODELS, GROUPS)
def test_every_derived_name_is_a_dns_label(cluster: str, model: str, group: str) -> None:
    settings = named(cluster, model, group)
    derived = [
        names.head_service(settings),
        names.api_service(settings),
        names.ray_token_secret(settings),
        names.hub_token_secret(settings),
        names.service_account(settings),
        names.download_job_name(settings, settings.models[0]),
        names.component(settings.gpu_groups[0]),
    ]
    assert [name for name in derived if not DNS_LABEL.fullmatch(name)] == []
    assert len(set(derived)) == len(derived)


# MaxRayServiceNameLength, and IsDNS1035Label of ValidateRayClusterMetadata.
@pytest.mark.parametrize("refused", ["a" * 48, "1a", "A", "a-", "-a", ""])
def test_names_that_kuberay_refuses_are_refused_first(refused: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        named(refused)


def job(**changes: object) -> str:
    settings = original(models=[{**ORIGINAL["models"][0], **changes}])
    return names.download_job_name(settings, settings.models[0])


def test_different_weights_have_different_download_jobs() -> None:
    others = {
        job(),
        job(source="a/b"),
        job(revision="1" * 40),
        job(name="Dolphin3-0"),  # the same DNS label
    }
    assert len(others) == 4


def test_the_same_weights_keep_their_download_job() -> None:
    same = {job(), job(replicas=3), job(maxModelLen=1), job(engineArgs={"seed": 1})}
    assert same == {"deepseek-raycluster-download-dolphin3-0-81bdc729"}
