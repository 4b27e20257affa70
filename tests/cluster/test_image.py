"""The service's image: built from `app/Dockerfile`, pulled and run by the cluster.

The first build on a machine installs 6 GB in about three minutes, and the node's first pull takes
another minute; later runs find both in BuildKit's and containerd's stores.
"""

import gzip
import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.kubectl import Kubectl
from sandbox.images import service_image
from sandbox.images.service_image import Pushed, pushed
from sandbox.settings import Settings
from toolchain.paths import CHECKOUT

FACTS = Path(__file__).parent / "image_facts.py"
REPOSITORY = f"{Settings().registry}/rayline-test/app"


def built(context: Path, tag: str, base: str) -> tuple[Pushed, service_image.Build]:
    done = service_image.build(context, f"{REPOSITORY}:{tag}", base)
    assert done.code == 0, done.log[-3000:]
    return pushed(f"{REPOSITORY}:{tag}"), done


@pytest.fixture(scope="module")
def image(images: dict[str, str]) -> Pushed:
    """This checkout's image, as the cluster would pull it."""
    return built(CHECKOUT, "checkout", images["base"])[0]


@pytest.fixture(scope="module")
def base(images: dict[str, str]) -> Pushed:
    return pushed(images["base"])


@pytest.fixture(scope="module")
def facts(image: Pushed, kubectl: Kubectl) -> dict[str, Any]:
    """What a pod of the image reports about itself; its spec leaves the user to the image."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "image-facts"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "main",
                    "image": image.reference,
                    "command": ["python", "-c", FACTS.read_text()],
                }
            ],
        },
    }
    delete = ("delete", "pod", "image-facts", "--ignore-not-found", "--now")
    kubectl.run(*delete)
    kubectl.apply([pod])
    try:
        done = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
        kubectl.run("wait", done, "pod/image-facts", "--timeout=500s", timeout=510)
        log = kubectl.run("logs", "image-facts")
    finally:
        kubectl.run(*delete)
    return dict(json.loads(log.splitlines()[-1]))


def test_ray_vllm_and_the_service_import_as_the_images_own_user(facts: dict[str, Any]) -> None:
    assert facts["user"] == [1000, 100]
    wanted = (CHECKOUT / "requirements" / "app-cpu.txt").read_text()
    assert f"\nray=={facts['ray']} " in wanted
    assert f"\nvllm-cpu=={facts['vllm']} " in wanted
    assert facts["app"] == "/srv/rayline/app/main.py"
    assert facts["stale"] == []  # otherwise every pod would compile them again


def test_serve_finds_the_haproxy_that_it_is_given(facts: dict[str, Any]) -> None:
    assert facts["haproxy"].startswith("HAProxy version 2.8.")


def test_the_service_cannot_change_itself(facts: dict[str, Any]) -> None:
    assert facts["writable"] == []


def test_there_are_no_weights_inside(facts: dict[str, Any]) -> None:
    assert facts["weights"] == []


def test_the_configuration_sets_user_and_path(image: Pushed) -> None:
    config = image.config["config"]
    assert config["User"] == "1000:100"
    assert "PYTHONPATH=/srv/rayline" in config["Env"]
    assert "RAY_SERVE_HAPROXY_BINARY_PATH=/srv/rayline/app/haproxy.sh" in config["Env"]


def test_the_size_is_bounded(image: Pushed) -> None:
    """As pushed. Packages that the requirements omit (triton, torchvision) must not be in it."""
    assert sum(image.sizes.values()) < 3.3e9


def test_another_checkout_makes_the_same_image(images: dict[str, str], tmp_path: Path) -> None:
    """The checkout's path, its file times and its owner's umask do not matter."""
    image, _ = built(CHECKOUT, "checkout", images["base"])
    other, done = built(service_image.checkout(tmp_path), "other", images["base"])
    assert other.digest == image.digest
    assert done.seconds < 30


def test_a_change_of_the_service_is_built_and_pushed_in_seconds(
    image: Pushed, images: dict[str, str], tmp_path: Path
) -> None:
    context = service_image.checkout(tmp_path)
    with (context / "app" / "main.py").open("a") as source:
        source.write(f"# {tmp_path}\n")
    changed, done = built(context, "changed", images["base"])
    added = changed.added_to(image)
    print(f"{done.seconds:.1f} s, {added} bytes to push")
    assert 1_000 < added < 200_000
    assert done.seconds < 30
    assert len(set(changed.layers) - set(image.layers)) == 1


CANARY = "canary-of-the-package-index"


def test_the_secret_of_the_package_index_is_used_and_is_in_no_layer(
    images: dict[str, str], base: Pushed, tmp_path: Path
) -> None:
    """Installs one small package, from a list that is new each time, so never from a cache."""
    context = service_image.checkout(tmp_path / "checkout")
    whole = context / "requirements" / "app-cpu.txt"
    entry = re.search(r"^six==(?:.*\\\n)+.*\n", whole.read_text(), re.MULTILINE)
    assert entry
    whole.write_text(f"# {tmp_path}\n{entry[0]}")
    secret = tmp_path / "pip.conf"

    # Nothing listens at this index; pip's message proves that pip tried it.
    secret.write_text("[global]\nindex-url = http://127.0.0.1:9/simple\nretries = 0\n")
    reference = f"{REPOSITORY}:secret"
    refused = service_image.build(context, reference, images["base"], secret=secret)
    assert refused.code != 0
    assert "six" in refused.log
    assert "127.0.0.1" in refused.log

    secret.write_text(f"# {CANARY}\n[global]\nretries = 1\n")
    gzipped = "compression=gzip,oci-mediatypes=true"
    done = service_image.build(
        context, reference, images["base"], secret=secret, compression=gzipped
    )
    assert done.code == 0, done.log[-3000:]
    small = pushed(reference)
    assert CANARY not in json.dumps(small.config)
    assert CANARY not in json.dumps(small.manifest)
    names = set()
    for digest in set(small.layers) - set(base.layers):
        data = gzip.decompress(small.blob(digest))
        assert CANARY.encode() not in data
        with tarfile.open(fileobj=io.BytesIO(data)) as layer:
            names |= set(layer.getnames())
    assert any(name.endswith("site-packages/six.py") for name in names)
    assert not [name for name in names if "pip.conf" in name or "pip-cache" in name]


def test_the_history_holds_no_secret(image: Pushed) -> None:
    """The history contains the build arguments, so none of them may be secret."""
    commands = " ".join(entry["created_by"] for entry in image.config["history"])
    given = re.findall(r"\|\d+ ((?:\w+=\S* )+)", commands)
    assert {name.split("=")[0] for names in given for name in names.split()} <= {"REQUIREMENTS"}
    for word in ("password", "token=", "://", "secret="):
        assert word not in commands.lower(), word
