"""The image of head and workers: built and pushed, or prebuilt."""

from dataclasses import dataclass, field
from typing import Any

import pulumi

from infra.components import files
from infra.settings.image import Image
from infra.settings.network import Network
from infra.specs import network

# Relative, so that the state does not depend on the location of the checkout.
CONTEXT = "."
DOCKERFILE = "./app/Dockerfile"
# rayline does not depend on pulumi-docker: Pulumi downloads its plug-in where it is needed.
DOCKER_PLUGIN = "5.2.0"


@dataclass(frozen=True, kw_only=True)
class ServiceImageArgs:
    """`tag` is for the pushed image, which pods use by digest. The credentials are for the
    registry. `proxy_url` replaces the proxies of `network`; `authorities` are certificates in PEM
    form that pip trusts."""

    image: Image
    tag: str
    network: Network = field(default_factory=Network)
    proxy_url: pulumi.Input[str] | None = None
    authorities: str | None = None
    registry_username: pulumi.Input[str] | None = None
    registry_password: pulumi.Input[str] | None = None


class ServiceImage(pulumi.ComponentResource):
    """`ref` is the image that pods run: repository@sha256:digest."""

    ref: pulumi.Output[str]

    def __init__(
        self, name: str, args: ServiceImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:ServiceImage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        if args.image.ref is not None:
            self.ref = pulumi.Output.from_input(args.image.ref)
        elif args.image.builder == "buildx":
            self.ref = _built_by_buildx(name, args, child)
        else:
            self.ref = _DockerImage(name, args, child).repo_digest
        self.register_outputs({"ref": self.ref})


def _built_by_buildx(
    name: str, args: ServiceImageArgs, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    import pulumi_docker_build as docker_build

    image = args.image
    reference = f"{image.repository}:{args.tag}"
    built = docker_build.Image(
        name,
        context={"location": CONTEXT},
        dockerfile={"location": DOCKERFILE},
        build_args=_build_args(args),
        builder={"name": image.buildx_instance} if image.buildx_instance else None,
        platforms=[docker_build.Platform.LINUX_AMD64],
        registries=_registries(args),
        secrets=_secrets(args),
        tags=[reference],
        # The registry export pushes. zstd at its fastest: compressing 3 GB of Python packages with
        # gzip takes minutes on two cores, and nodes decompress zstd several times as fast. The
        # plug-in treats level 0 as absent and then ignores the compression too.
        exports=[
            {
                "registry": {
                    "compression": docker_build.CompressionType.ZSTD,
                    "compression_level": 1,
                    "oci_media_types": True,
                }
            }
        ],
        push=False,
        ignore_secrets_in_diff_calculation=["pip.conf", "ca.pem"],
        # A preview must not build 20 GB to show a diff.
        build_on_preview=False,
        opts=pulumi.ResourceOptions.merge(
            opts,
            # Old images stay in the registry: a rollback may need yesterday's digest.
            pulumi.ResourceOptions(retain_on_delete=True),
        ),
    )
    # Not `built.ref`: it also contains the tag, which containerd ignores beside a digest.
    digest: pulumi.Output[str] = built.digest
    return digest.apply(lambda known: f"{image.repository}@{known}")


def _build_args(args: ServiceImageArgs) -> dict[str, pulumi.Input[str]]:
    """With SOURCE_DATE_EPOCH, the same content has the same digest whenever it is built.

    BuildKit knows the names of proxies: they are in neither the layers nor the history, and not in
    the key of its cache (https://docs.docker.com/build/building/variables/#pre-defined-build-arguments).
    """
    image, proxy = args.image, args.proxy_url
    secret = {} if proxy is None else {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
    return {
        "BASE": image.base,
        "REQUIREMENTS": image.requirements,
        "SOURCE_DATE_EPOCH": "0",
        **network.environment(args.network, secret_proxy=proxy is not None),
        **secret,
    }


def _secrets(args: ServiceImageArgs) -> dict[str, pulumi.Input[str]] | None:
    """pip's configuration may contain a password: it is mounted for one step, not copied."""
    mounted: dict[str, pulumi.Input[str]] = {}
    if args.image.pip_config is not None:
        mounted["pip.conf"] = pulumi.Output.secret(str(files.text(args.image.pip_config)))
    if args.authorities is not None:
        mounted["ca.pem"] = args.authorities
    return mounted or None


def _registries(args: ServiceImageArgs) -> list[Any] | None:
    if args.registry_password is None or args.image.repository is None:
        return None
    return [
        {
            "address": args.image.registry,
            "username": args.registry_username,
            "password": args.registry_password,
        }
    ]


class _DockerImage(pulumi.CustomResource):
    """pulumi-docker's Image by its type token; these few inputs need no SDK.

    https://www.pulumi.com/registry/packages/docker/api-docs/image/
    """

    repo_digest: pulumi.Output[str]
    """repository@sha256:digest, known once the image is pushed."""

    def __init__(self, name: str, args: ServiceImageArgs, opts: pulumi.ResourceOptions) -> None:
        repository = str(args.image.repository)
        registry: dict[str, Any] = {"server": args.image.registry}
        if args.registry_password is not None:
            registry |= {"username": args.registry_username, "password": args.registry_password}
        props = {
            "build": {
                "context": CONTEXT,
                "dockerfile": DOCKERFILE,
                "platform": "linux/amd64",
                "args": _build_args(args),
            },
            "imageName": f"{repository}:{args.tag}",
            "registry": registry,
            "skipPush": False,
            "buildOnPreview": False,
            "repo_digest": None,
        }
        version = pulumi.ResourceOptions(version=DOCKER_PLUGIN)
        super().__init__(
            "docker:index/image:Image", name, props, pulumi.ResourceOptions.merge(opts, version)
        )

    def translate_output_property(self, prop: str) -> str:
        return "repo_digest" if prop == "repoDigest" else prop
