"""The objects that run the hub; tests/sandbox/cluster/test_manifests.py checks their form."""

from sandbox.hub import deploy


def test_the_objects_serve_the_address_that_pods_use() -> None:
    namespace, deployment, service = deploy.documents("hub:1")
    assert namespace["metadata"]["name"] == "rayline-hub"
    assert deploy.URL == "http://hub.rayline-hub.svc:8080"
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["ports"][0]["port"] == 8080
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "hub:1"
