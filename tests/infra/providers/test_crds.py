"""KubeRay's CRDs: all or none are applied, and missing ones are noticed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.providers.common.api_server import KubeError
from infra.providers.common.owner import RELEASED
from infra.providers.common.owner import STACK as STACK_KEY
from infra.providers.crds import KINDS, CrdsError, KubeRayCrdsProvider
from tests.infra.providers.calls import call
from tests.infra.providers.common.fake_api_server import CONTEXT, FakeApi, Request, refused

PROVIDER = KubeRayCrdsProvider()
STACK = "0123456789abcdef"
PREFIX = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"


@dataclass
class FakeCrds(FakeApi):
    """A CRD is served after `starting` requests; `forbidden` is refused."""

    crds: dict[str, Any] = field(default_factory=dict)
    starting: int = 3
    forbidden: str = ""

    def answer(self, request: Request) -> tuple[int, Any]:
        kind = request.path.removeprefix(PREFIX).removesuffix(".ray.io")
        if kind == self.forbidden:
            return refused(403, "Forbidden", f"{kind} is forbidden")
        if request.method == "PATCH" and request.query:  # an apply
            self.crds[kind] = {**request.body, "looks": 0}
        if kind not in self.crds:
            return refused(404, "NotFound", f"{kind} not found")
        metadata = self.crds[kind]["metadata"]
        if request.method == "DELETE":
            return 200, self.crds.pop(kind)
        crd = self.crds[kind]
        if request.method == "PATCH":
            metadata["annotations"] |= request.body["metadata"]["annotations"]
            return 200, crd
        crd["looks"] += 1
        live = {"metadata": metadata, "spec": crd.get("spec") or {}}
        if crd["looks"] == 1 and self.starting:  # as the API server does it for a moment
            return 200, {**live, "status": {"conditions": None}}
        served = "True" if crd["looks"] > self.starting else "False"
        return 200, {**live, "status": {"conditions": [{"type": "Established", "status": served}]}}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCrds]:
    with FakeCrds() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "crds"
    found.mkdir()
    for kind in KINDS:
        crd = {"kind": "CustomResourceDefinition", "metadata": {"name": f"{kind}.ray.io"}}
        (found / f"ray.io_{kind}.yaml").write_text(yaml.safe_dump(crd))
    return found


def props(source: object, **changes: Any) -> dict[str, Any]:
    given = {
        "context": CONTEXT,
        "version": "1.6.2",
        "source": str(source),
        "keep": True,
        "stack": STACK,
    }
    return {**given, **changes}


def test_all_are_applied_and_waited_for(api: FakeCrds, folder: Path) -> None:
    outs = PROVIDER.create(call(), props(folder)).outs
    assert set(api.crds) == set(outs["digests"]) == set(KINDS)
    assert all(crd["looks"] == api.starting + 1 for crd in api.crds.values())
    for request in api.asked("PATCH"):
        assert request.query == {"fieldManager": "rayline", "force": "true"}
        assert request.headers["content-type"] == "application/apply-patch+yaml"
    # Neither the files nor a kubeconfig are in the state.
    assert set(outs) == {*props(folder), "digests", "missing"}


@pytest.mark.parametrize("damage", [None, "", "<html>log in</html>", "a: [", "metadata: {name: x}"])
def test_a_wrong_source_changes_nothing(api: FakeCrds, folder: Path, damage: str | None) -> None:
    last = folder / f"ray.io_{KINDS[-1]}.yaml"
    last.unlink() if damage is None else last.write_text(damage)
    with pytest.raises(CrdsError, match=r"pulumi config set --path 'rayline:operator\.crds'"):
        PROVIDER.create(call(), props(folder))
    assert api.requests == []


def test_a_url_that_does_not_answer_is_named(api: FakeCrds) -> None:
    with pytest.raises(CrdsError, match=r"127\.0\.0\.1.*cannot be fetched"):
        PROVIDER.create(call(), props("http://127.0.0.1:1/crds"))
    assert api.requests == []


def test_a_crd_that_is_not_served_in_time_is_named(api: FakeCrds, folder: Path) -> None:
    api.starting = 10**6
    with pytest.raises(CrdsError, match=r"rayclusters\.ray\.io is not served after 60 s"):
        PROVIDER.create(call(), props(folder))


def test_a_refusal_names_the_crd_and_the_status(api: FakeCrds, folder: Path) -> None:
    api.forbidden = KINDS[0]
    with pytest.raises(KubeError, match=r"rayclusters\.ray\.io answered 403"):
        PROVIDER.create(call(), props(folder))


@pytest.mark.parametrize(
    ("change", "changes", "replaces"),
    [
        ({}, False, []),
        ({"source": "/elsewhere"}, False, []),
        ({"version": "1.7.0"}, True, []),
        ({"keep": False}, True, []),
        ({"context": "other"}, True, []),
    ],
)
def test_diff(change: dict[str, Any], changes: bool, replaces: list[str]) -> None:
    found = PROVIDER.diff("id", props("/a"), {**props("/a"), **change})
    assert (found.changes, list(found.replaces)) == (changes, replaces)


def test_missing_crds_are_created_again(api: FakeCrds, folder: Path) -> None:
    outs = PROVIDER.create(call(), props(folder)).outs
    del api.crds[KINDS[1]]
    live = PROVIDER.read(call(), "id", dict(outs))
    assert live is not None
    assert live.outs["missing"] == [KINDS[1]]
    assert PROVIDER.diff("id", live.outs, props(folder)).changes
    PROVIDER.update(call(), "id", live.outs, props(folder))
    assert set(api.crds) == set(KINDS)
    api.crds.clear()
    assert PROVIDER.read(call(), "id", dict(outs)) is None


def test_a_renamed_context_is_stored_without_applying_anything(api: FakeCrds, folder: Path) -> None:
    outs = PROVIDER.create(call(), props(folder)).outs
    asked = len(api.requests)
    renamed = PROVIDER.update(call(), "id", outs, props(folder, context="renamed"))
    assert renamed == {**outs, "context": "renamed"}
    assert len(api.requests) == asked


@pytest.mark.parametrize("keep", [True, False])
def test_crds_stay_unless_keep_is_false(api: FakeCrds, folder: Path, keep: bool) -> None:
    outs = PROVIDER.create(call(), props(folder, keep=keep)).outs
    del api.crds[KINDS[0]]
    PROVIDER.delete(call(), "id", outs)
    assert set(api.crds) == (set(KINDS[1:]) if keep else set())
    for crd in api.crds.values():
        assert crd["metadata"]["annotations"] == {STACK_KEY: None, RELEASED: "true"}


def existing(kind: str, *fields: str, **annotations: str) -> dict[str, Any]:
    """A CRD that is in the cluster already."""
    schema = {"properties": {"spec": {"properties": {key: {"type": "string"} for key in fields}}}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": schema}}
    return {
        "metadata": {"name": f"{kind}.ray.io", "annotations": annotations},
        "spec": {"versions": [version]},
        "looks": 9,
    }


def test_crds_of_someone_else_are_updated_and_never_deleted(api: FakeCrds, folder: Path) -> None:
    api.crds[KINDS[1]] = existing(KINDS[1])
    (folder / f"ray.io_{KINDS[1]}.yaml").write_text(yaml.safe_dump(existing(KINDS[1], "more")))
    outs = PROVIDER.create(call(), props(folder, keep=False)).outs
    assert "more" in str(api.crds[KINDS[1]]["spec"])
    one = call()
    PROVIDER.delete(one, "id", outs)
    assert set(api.crds) == {KINDS[1]}
    assert f"kubectl --context {CONTEXT} delete crd {KINDS[1]}.ray.io" in one.warnings[0]


@pytest.mark.parametrize("annotations", [{}, {RELEASED: "true"}])
def test_newer_crds_are_refused_before_any_is_applied(
    api: FakeCrds, folder: Path, annotations: dict[str, str]
) -> None:
    last = KINDS[-1]
    api.crds[last] = existing(last, "a", "new", **annotations)
    (folder / f"ray.io_{last}.yaml").write_text(yaml.safe_dump(existing(last, "a")))
    with pytest.raises(
        CrdsError, match=r"newer than that of KubeRay 1\.6\.2: it has v1\.spec\.new"
    ):
        PROVIDER.create(call(), props(folder))
    assert set(api.crds) == {last}
    assert api.asked("PATCH") == []


def test_going_back_to_an_older_version_of_ones_own_is_allowed(api: FakeCrds, folder: Path) -> None:
    api.crds[KINDS[0]] = existing(KINDS[0], "new", **{STACK_KEY: STACK})
    PROVIDER.create(call(), props(folder))
    assert "new" not in str(api.crds[KINDS[0]])


def test_crds_of_another_stack_are_refused_and_released_ones_are_taken(
    api: FakeCrds, folder: Path
) -> None:
    api.crds[KINDS[0]] = existing(KINDS[0], **{STACK_KEY: "another"})
    with pytest.raises(CrdsError, match=r"another rayline stack.*operator\.install' false"):
        PROVIDER.create(call(), props(folder))
    assert api.asked("PATCH") == []
    api.crds[KINDS[0]] = existing(KINDS[0], **{RELEASED: "true"})
    (folder / f"ray.io_{KINDS[0]}.yaml").write_text(yaml.safe_dump(existing(KINDS[0])))
    PROVIDER.create(call(), props(folder))
    assert api.crds[KINDS[0]]["metadata"]["annotations"][STACK_KEY] == STACK
