"""Every tool, with its version and the ways to obtain it.

The builds take the versions from toolchain/sources/*/go.mod; a test keeps them equal to those here.
BuildKit publishes no plain checksum file and KubeRay no binaries, so neither is downloaded.
"""

from collections.abc import Mapping

from toolchain.model import Binary, Download, ModuleFiles, Overlay, Probe, Tool

KUBERNETES = "1.34.3"
ETCD = "3.6.16"
COREDNS = "1.15.0"
PULUMI = "3.259.0"
PULUMI_LANGUAGE_PYTHON = "3.187.0"
PULUMI_KUBERNETES = "4.25.0"
PULUMI_DOCKER_BUILD = "0.0.22"
BUILDKIT = "0.31.0"
KUBERAY = "1.6.2"
KUBE_SCORE = "1.20.0"
KUBE_NETWORK_POLICIES = "0.8.0"

_PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"
_PULUMI_KUBERNETES_SDK = "github.com/pulumi/pulumi-kubernetes/sdk/v4"
_PULUMI_KUBERNETES_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_DOCKER_BUILD = "github.com/pulumi/pulumi-docker-build/provider"
_BUILDKIT = "github.com/moby/buildkit"
_KUBERAY = "github.com/ray-project/kuberay/ray-operator"
_GITHUB = "https://github.com"

_NODE_BINARIES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
)
_LANGUAGE_SCRIPTS = (
    "pulumi-language-python-exec",
    "pulumi-resource-pulumi-python",
    "pulumi-analyzer-policy-python",
)

# A plug-in offers gRPC only; its usage text proves that it runs on this machine.
_USAGE = ("Usage of ",)


def _kubernetes_stamps() -> tuple[tuple[str, str], ...]:
    """The version variables that Kubernetes' own build sets, for server and client."""
    major, minor, _ = KUBERNETES.split(".")
    values = (("gitVersion", f"v{KUBERNETES}"), ("gitMajor", major), ("gitMinor", minor))
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple((f"{package}.{name}", value) for package in packages for name, value in values)


def _kubernetes_download(binary: str) -> Download:
    url = f"https://dl.k8s.io/v{KUBERNETES}/bin/linux/{{arch}}/{binary}"
    return Download(url, f"{url}.sha256", (binary,))


def _pulumi_download(*binaries: str) -> Download:
    """The archive contains the CLI and the language hosts. Two tools use it, and each downloads it
    separately, which is simpler than sharing a file between two locks."""
    return Download(
        f"https://get.pulumi.com/releases/sdk/pulumi-v{PULUMI}-linux-{{x64}}.tar.gz",
        f"{_GITHUB}/pulumi/pulumi/releases/download/v{PULUMI}/pulumi-{PULUMI}-checksums.txt",
        binaries,
    )


def _plugin_download(plugin: str, version: str) -> Download:
    release = f"{_GITHUB}/pulumi/pulumi-{plugin}/releases/download/v{version}"
    binary = f"pulumi-resource-{plugin}"
    return Download(
        f"https://get.pulumi.com/releases/plugins/{binary}-v{version}-linux-{{arch}}.tar.gz",
        f"{release}/pulumi-{plugin}_{version}_checksums.txt",
        (binary,),
    )


def _pulumi_sdk_script(pinned_in: str, path: str) -> ModuleFiles:
    strip = path.rpartition("/")[0]
    return ModuleFiles(pinned_in, _PULUMI_SDK, path, "bin", strip=strip, executable=True)


def _kubernetes_sdk(pattern: str) -> ModuleFiles:
    return ModuleFiles("pulumi-plugins/sources", _PULUMI_KUBERNETES_SDK, pattern, "sdk")


def _kubernetes_provider(name: str) -> ModuleFiles:
    folder = "cmd/pulumi-resource-kubernetes"
    return ModuleFiles(
        "pulumi-plugins",
        _PULUMI_KUBERNETES_PROVIDER,
        f"{folder}/{name}",
        "kubernetes",
        strip=folder,
    )


def _kuberay_manifests(folder: str, into: str) -> ModuleFiles:
    return ModuleFiles("kuberay", _KUBERAY, f"{folder}/*.yaml", into, strip=folder)


_PULUMI_PROBE = Probe("pulumi", ("version",), (f"v{PULUMI}",))

_IN_BUILD_ORDER = (
    Tool(
        name="pulumi",
        version=PULUMI,
        folder="pulumi",
        compiled=(Binary("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"),),
        stamps=((f"{_PULUMI_SDK}/go/common/version.Version", f"v{PULUMI}"),),
        downloads=(_pulumi_download("pulumi"),),
        probes=(_PULUMI_PROBE,),
    ),
    Tool(
        # Newer language hosts are not published as modules, but this one works with the CLI above.
        # PATH and the download provide the one that was released with the CLI.
        name="pulumi-language-python",
        version=PULUMI_LANGUAGE_PYTHON,
        folder="pulumi-language-python",
        compiled=(
            Binary(
                "pulumi-language-python",
                "github.com/pulumi/pulumi/sdk/python/cmd/pulumi-language-python/v3",
            ),
        ),
        stamps=((f"{_PULUMI_SDK}/go/common/version.Version", f"v{PULUMI_LANGUAGE_PYTHON}"),),
        extras=(
            _pulumi_sdk_script("pulumi", "python/cmd/pulumi-language-python-exec"),
            _pulumi_sdk_script("pulumi", "python/dist/pulumi-resource-pulumi-python"),
            _pulumi_sdk_script(
                "pulumi-language-python", "python/dist/pulumi-analyzer-policy-python"
            ),
        ),
        downloads=(_pulumi_download("pulumi-language-python", *_LANGUAGE_SCRIPTS),),
        probes=(_PULUMI_PROBE,),
    ),
    Tool(
        name="kubernetes",
        version=KUBERNETES,
        folder="kubernetes",
        compiled=tuple(
            Binary(name, f"k8s.io/kubernetes/cmd/{name}") for name in (*_NODE_BINARIES, "kubectl")
        ),
        stamps=_kubernetes_stamps(),
        downloads=tuple(_kubernetes_download(name) for name in (*_NODE_BINARIES, "kubectl")),
        probes=(
            *(
                Probe(name, ("--version",), (f"Kubernetes v{KUBERNETES}",))
                for name in _NODE_BINARIES
            ),
            Probe("kubectl", ("version", "--client"), (f"Client Version: v{KUBERNETES}",)),
        ),
    ),
    Tool(
        name="etcd",
        version=ETCD,
        folder="kubernetes",
        compiled=(Binary("etcd", "go.etcd.io/etcd/server/v3"),),
        downloads=(
            Download(
                f"{_GITHUB}/etcd-io/etcd/releases/download/v{ETCD}/etcd-v{ETCD}-linux-{{arch}}.tar.gz",
                f"{_GITHUB}/etcd-io/etcd/releases/download/v{ETCD}/SHA256SUMS",
                ("etcd",),
            ),
        ),
        probes=(Probe("etcd", ("--version",), (f"etcd Version: {ETCD}",)),),
    ),
    Tool(
        name="coredns",
        version=COREDNS,
        folder="coredns",
        compiled=(Binary("coredns", "."),),
        downloads=(
            Download(
                f"{_GITHUB}/coredns/coredns/releases/download/v{COREDNS}"
                f"/coredns_{COREDNS}_linux_{{arch}}.tgz",
                f"{_GITHUB}/coredns/coredns/releases/download/v{COREDNS}"
                f"/coredns_{COREDNS}_linux_{{arch}}.tgz.sha256",
                ("coredns",),
            ),
        ),
        probes=(Probe("coredns", ("-version",), (f"CoreDNS-{COREDNS}",)),),
    ),
    Tool(
        name="hostpath-provisioner",
        version="(ours)",
        folder="kubernetes",
        compiled=(Binary("hostpath-provisioner", "./hostpath-provisioner"),),
    ),
    Tool(
        name="pause",
        version="(ours)",
        folder="kubernetes",
        compiled=(Binary("pause", "./pause"),),
    ),
    Tool(
        name="pulumi-resource-kubernetes",
        version=PULUMI_KUBERNETES,
        folder="pulumi-plugins",
        compiled=(Binary("pulumi-resource-kubernetes", "./kubernetes"),),
        sources=(
            _kubernetes_sdk("go.mod"),
            _kubernetes_sdk("go/kubernetes/**/*"),
            Overlay("overlay/kinds.go", "sdk/go/kubernetes/yaml/v2/kinds.go"),
            _kubernetes_provider("schema.json"),
            _kubernetes_provider("terraform-mapping.json"),
        ),
        downloads=(_plugin_download("kubernetes", PULUMI_KUBERNETES),),
        probes=(Probe("pulumi-resource-kubernetes", ("-h",), _USAGE, identifies=False),),
    ),
    Tool(
        name="pulumi-resource-docker-build",
        version=PULUMI_DOCKER_BUILD,
        folder="pulumi-plugins",
        compiled=(
            Binary(
                "pulumi-resource-docker-build",
                f"{_DOCKER_BUILD}/cmd/pulumi-resource-docker-build",
            ),
        ),
        stamps=((f"{_DOCKER_BUILD}.Version", PULUMI_DOCKER_BUILD),),
        sources=(_kubernetes_sdk("go.mod"),),
        downloads=(_plugin_download("docker-build", PULUMI_DOCKER_BUILD),),
        probes=(Probe("pulumi-resource-docker-build", ("-h",), _USAGE, identifies=False),),
    ),
    Tool(
        name="buildkit",
        version=BUILDKIT,
        folder="pulumi-plugins",
        compiled=tuple(
            Binary(name, f"{_BUILDKIT}/cmd/{name}") for name in ("buildkitd", "buildctl")
        ),
        stamps=((f"{_BUILDKIT}/version.Version", f"v{BUILDKIT}"),),
        sources=(_kubernetes_sdk("go.mod"),),
        probes=tuple(
            Probe(name, ("--version",), (f"{name} {_BUILDKIT} v{BUILDKIT}",))
            for name in ("buildkitd", "buildctl")
        ),
    ),
    Tool(
        name="kuberay-operator",
        version=KUBERAY,
        folder="kuberay",
        compiled=(Binary("kuberay-operator", _KUBERAY),),
        extras=(
            _kuberay_manifests("config/crd/bases", "share/crds"),
            _kuberay_manifests("config/rbac", "share/rbac"),
        ),
    ),
    Tool(
        name="kube-score",
        version=KUBE_SCORE,
        folder="kube-score",
        compiled=(Binary("kube-score", "github.com/zegl/kube-score/cmd/kube-score"),),
        stamps=(("main.version", KUBE_SCORE),),
        probes=(Probe("kube-score", ("version",), (f"kube-score version: {KUBE_SCORE},",)),),
        optional=True,
    ),
    Tool(
        name="kube-network-policies",
        version=KUBE_NETWORK_POLICIES,
        folder="kube-network-policies",
        compiled=(Binary("kube-network-policies", "."),),
        sources=(
            ModuleFiles(
                "kube-network-policies/sources",
                "github.com/google/nftables",
                "**/*",
                "nftables",
            ),
            Overlay("overlay/queue.go", "nftables/expr/queue.go"),
        ),
        optional=True,
    ),
)

TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _IN_BUILD_ORDER}
"""By name, in build order."""
