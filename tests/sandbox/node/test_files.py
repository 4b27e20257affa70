"""Configuration files and command lines of the node; most tests check all of them."""

import json
import re
import tomllib
from ipaddress import IPv4Network

import yaml

from sandbox.node import components, files, layout
from sandbox.settings import Settings
from toolchain import TOOLS

MOVED = Settings(
    network=IPv4Network("172.20.0.0/16"),
    registry_port=5017,
    gpu_taint=True,
    enforce_policies=True,
)


def rendered(settings: Settings) -> dict[str, str]:
    return files.files(settings, f"{settings.registry}/rayline/pause:1")


def test_every_file_parses_in_its_own_format() -> None:
    for name, text in rendered(Settings()).items():
        if name.endswith(".toml"):
            assert tomllib.loads(text)
        elif name.endswith(".conflist"):
            assert json.loads(text)["plugins"][0]["type"] == "ptp"
        else:
            assert yaml.safe_load(text)


def test_no_file_or_command_keeps_an_address_of_the_default_settings() -> None:
    commands = [" ".join(c.command) for c in components.components(MOVED)]
    for text in [*rendered(MOVED).values(), *commands]:
        assert "10.213." not in text
        assert "localhost:5000" not in text


def test_no_path_depends_on_the_location_of_the_checkout() -> None:
    """A checkout may lie in a folder with a space in its name; the node uses fixed paths only."""
    commands = [word for c in components.components(MOVED) for word in c.command]
    for text in [*rendered(MOVED).values(), *commands]:
        for path in re.findall(r"(?<![\w.:/])/[a-z][\w./-]+", text):
            allowed = (str(layout.RUN), "/usr/lib/cni", f"/{layout.CGROUP}", "/readyz")
            assert path.startswith(allowed), path


def test_a_command_names_only_files_keys_and_binaries_that_exist() -> None:
    """A component whose file, key pair or binary was forgotten fails here instead of on a node."""
    binaries = {binary for tool in TOOLS.values() for binary in tool.binaries}
    keys = {f"{name}.{kind}" for name in identities() for kind in ("crt", "key")}
    keys |= {"ca.crt", "service-account.key", "service-account.pub"}
    known = {
        layout.BIN: binaries,
        layout.CONFIG: set(rendered(MOVED)),
        layout.PKI: keys,
    }
    texts = [word for c in components.components(MOVED) for word in c.command]
    texts += rendered(MOVED).values()
    named = set()
    for folder, names in known.items():
        for text in texts:
            for name in re.findall(rf"{folder}/([\w./-]+)", text):
                named.add(name)
                assert name in names or f"{name}/10-rayline.conflist" in names, f"{folder}/{name}"
    assert {"kubelet", "kubelet.yaml", "ca.crt"} <= named


def identities() -> set[str]:
    """File names of the key pairs that `pki.ensure` writes."""
    return {"apiserver", "apiserver-kubelet-client", *files.USERS}


def test_a_kubeconfig_for_each_user_names_its_own_key() -> None:
    for name, user in files.USERS.items():
        config = yaml.safe_load(rendered(Settings())[f"{name}.kubeconfig"])
        assert config["users"][0]["name"] == user.name
        assert config["users"][0]["user"]["client-key"] == f"{layout.PKI}/{name}.key"
        assert config["clusters"][0]["cluster"]["server"] == "https://10.213.0.2:6443"


def test_the_kubelet_keeps_its_pods_in_our_control_group() -> None:
    kubelet = yaml.safe_load(rendered(Settings())["kubelet.yaml"])
    assert kubelet["cgroupRoot"] == f"/{layout.CGROUP}"
    buildkit = tomllib.loads(rendered(Settings())["buildkitd.toml"])
    assert buildkit["worker"]["oci"]["defaultCgroupParent"].startswith(layout.CGROUP)


def test_the_taint_is_an_option() -> None:
    def kubelet(settings: Settings) -> str:
        return next(
            " ".join(c.command) for c in components.components(settings) if c.name == "kubelet"
        )

    assert "--register-with-taints=dedicated.apiac.ru=w-gpu:NoExecute" in kubelet(MOVED)
    assert "taints" not in kubelet(Settings())


def test_components_that_write_to_a_store_that_outlives_the_cluster_are_drained() -> None:
    drained = {c.name for c in components.components(Settings()) if c.drain}
    assert drained == {"registry", "registry-node", "buildkitd", "containerd"}


def test_buildkit_and_the_registry_that_it_pushes_to_share_a_network() -> None:
    networks = {c.name: c.network for c in components.components(Settings())}
    assert networks["buildkitd"] == networks["registry"] == "host"
    assert {n for name, n in networks.items() if name not in {"buildkitd", "registry"}} == {"node"}


def test_the_registry_listens_on_the_loopback_only() -> None:
    registry = yaml.safe_load(rendered(Settings())["registry.yaml"])
    assert registry["http"]["addr"] == "127.0.0.1:5000"


def test_policies_are_enforced_only_where_it_is_asked_for() -> None:
    def named(settings: Settings) -> set[str]:
        return {c.name for c in components.components(settings)}

    assert named(MOVED) - named(Settings()) == set(components.optional_tools(MOVED))
    assert components.optional_tools(Settings()) == ()
    assert all(TOOLS[name].optional for name in components.optional_tools(MOVED))
