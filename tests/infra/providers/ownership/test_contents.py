"""What counts as left in a namespace. With a real API server: test_live.py."""

from typing import Any

from infra.providers.ownership.contents import Contents, sort_out


def item(name: str, *owners: str, **more: Any) -> dict[str, Any]:
    references = [{"uid": uid} for uid in owners]
    return {"name": name, "uid": f"uid of {name}", "ownerReferences": references, **more}


def test_what_somebody_made_stays() -> None:
    found = sort_out([("configmaps", [item("a")]), ("widgets", [item("b")])])
    assert found == Contents(["configmaps/a", "widgets/b"], [])


def test_what_kubernetes_makes_does_not_count() -> None:
    found = sort_out(
        [
            ("configmaps", [item("kube-root-ca.crt")]),
            ("serviceaccounts", [item("default")]),
            ("events", [item("x")]),
            ("endpoints", [item("api")]),
            ("leases", [item("ray-operator-leader")]),
        ]
    )
    assert found == Contents([], [])


def test_a_secret_called_default_is_somebodys() -> None:
    assert sort_out([("secrets", [item("default")])]).staying == ["secrets/default"]


def test_only_the_owner_of_owned_objects_is_named() -> None:
    pods = [item("p", "uid of r")]
    assert sort_out([("replicasets", [item("r")]), ("pods", pods)]).staying == ["replicasets/r"]


def test_what_is_being_deleted_or_has_lost_its_owner_is_leaving() -> None:
    leaving = [item("p", "gone"), item("q", deletionTimestamp="2026-01-01T00:00:00Z")]
    assert sort_out([("pods", leaving)]) == Contents([], ["pods/p", "pods/q"])
