"""What the real engine refuses before it touches anything, and how the user goes on."""

import re
import shlex
from pathlib import Path

import pytest

from tests.infra.providers.common.fake_api_server import CONTEXT
from tests.infra.providers.engine.programs import Program
from tests.infra.providers.test_delivery import FakeKinds
from tests.infra.providers.test_group_order import FakeService

# Seconds for each command of the engine, and the binaries of `make tools`.
pytestmark = [pytest.mark.cluster, pytest.mark.engine]


def test_a_broken_order_of_groups_is_refused_before_anything_else(tmp_path: Path) -> None:
    """In a preview by what was applied, in an `up` by the live RayService as well."""
    with FakeService(live=[]) as fake:
        program = Program(tmp_path, fake.kubeconfig(tmp_path))
        program.write(
            "from infra.providers.random_secret import RandomSecret, RandomSecretArgs\n"
            "from infra.providers.group_order import GroupOrder, GroupOrderArgs",
            "GroupOrder('gpu-groups', GroupOrderArgs(**args, applied=False))\n"
            "for name in args['names']:\n"
            "    RandomSecret(name, RandomSecretArgs(kind='key'), pulumi.ResourceOptions("
            "depends_on=[made]))\n"
            "GroupOrder('applied-groups', GroupOrderArgs(**args, applied=True),\n"
            "    pulumi.ResourceOptions(depends_on=[made]))",
        )

        def declare(*names: str) -> None:
            program.args(
                context=CONTEXT, namespace="llm", cluster="ray", delivery="rayService", names=names
            )

        def urns() -> list[str]:
            return [resource["urn"] for resource in program.deployment()["resources"]]

        declare("a", "b")
        fake.live = ["a"]
        assert "5 created" in program.up()
        fake.live = ["a", "b"]
        before = urns()
        declare("a", "c", "b")
        for refused in (program.up(fails=True), program.run("preview", fails=True)):
            assert "rayline:gpuGroups is a, c, b; it was a, b." in refused
            assert "Traceback" not in refused
        assert urns() == before
        declare("a", "b", "c")
        assert "1 created" in program.up()
        assert "6 unchanged" in program.up()
        # What the state says is not true: someone has added a group to the RayService.
        fake.live = ["a", "b", "c", "d"]
        before = urns()
        declare("a", "b", "c", "e")
        refused = program.up(fails=True)
        assert "lacks 'd'" in refused
        assert urns() == before


def test_another_delivery_is_accepted_once_the_cluster_is_gone(tmp_path: Path) -> None:
    """By the commands of the refusal; what does not belong to the cluster keeps its value."""
    with FakeKinds() as fake:
        program = Program(tmp_path, fake.kubeconfig(tmp_path))
        program.write(
            "from infra.providers.random_secret import RandomSecret, RandomSecretArgs\n"
            "from infra.providers.delivery import RayDelivery, RayDeliveryArgs\n"
            "from infra.stack import once_accepted",
            "RayDelivery(RayDeliveryArgs(**args))\n"
            "serial = once_accepted(made, 0)\n"
            "key = RandomSecret('key', RandomSecretArgs(kind='key', serial=serial))\n"
            "cluster = pulumi.ComponentResource('rayline:ray:RayCluster', args['delivery'], None,\n"
            "    pulumi.ResourceOptions(depends_on=[made, key]))\n"
            "RandomSecret(f\"in {args['delivery']}\", RandomSecretArgs(kind='key'),\n"
            "    pulumi.ResourceOptions(parent=cluster))",
        )

        def declare(delivery: str) -> None:
            program.args(context=CONTEXT, namespace="llm", cluster="ray", delivery=delivery)

        def values() -> dict[str, str]:
            return {
                resource["urn"].rpartition("::")[2]: resource.get("id", "")
                for resource in program.deployment()["resources"]
            }

        declare("restApi")
        program.up()
        for now in ("rayService", "restApi"):
            before = values()
            declare(now)
            for refused in (program.up(fails=True), program.run("preview", fails=True)):
                assert f"rayline:serve.delivery is {now}" in refused
                assert "Traceback" not in refused
            assert values() == before
            command = re.search(r"pulumi (destroy .*?), then `pulumi up`", refused)
            assert command
            program.run(*shlex.split(command[1]), "--yes", "--skip-preview", "--non-interactive")
            assert {"delivery", "key"} & values().keys() == {"key"}
            # Killed here, an `up` may have left what the state does not know.
            other = "rayservices" if now == "restApi" else "rayclusters"
            fake.found = {other: {}}
            assert f"delete {other[:-1]} ray" in program.up(fails=True)
            fake.found = {}
            program.up()
            assert values()["key"] == before["key"]
            assert f"in {now}" in values()
            assert "4 unchanged" in program.up().replace("5 unchanged", "4 unchanged")
