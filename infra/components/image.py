"""The image of head and workers: built and pushed, or prebuilt."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from infra.settings.image import Image

# Relative, so that the state does not depend on the location of the checkout.
CONTEXT = "."
DOCKERFILE = "./app/Dockerfile"
# rayline does not depend on pulumi-docker: Pulumi downloads its plug-in where it is needed.
DOCKER_PLUGIN = "5.2.0"


@dataclass(frozen=True, kw_only=True)
class ServiceImageArgs:
    """`tag` is for the pushed image, which pods use by digest. The credentials are for the
    registry."""

    image: Image
    tag: str
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
        build_args=_build_args(image),
        builder={"name": image.buildx_instance} if image.buildx_instance else None,
        platforms=[docker_build.Platform.LINUX_AMD64],
        registries=_registries(args),
        secrets=_secrets(image),
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
        ignore_secrets_in_diff_calculation=["pip.conf"],
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


def _build_args(image: Image) -> dict[str, str]:
    """With SOURCE_DATE_EPOCH, the same content has the same digest whenever it is built."""
    return {"BASE": image.base, "REQUIREMENTS": image.requirements, "SOURCE_DATE_EPOCH": "0"}


def _secrets(image: Image) -> dict[str, pulumi.Input[str]] | None:
    """pip's configuration may contain a password: it is mounted for one step, not copied."""
    if image.pip_config is None:
        return None
    content = Path(image.pip_config).expanduser().read_text(encoding="utf-8")
    return {"pip.conf": pulumi.Output.secret(content)}


def _registries(args: ServiceImageArgs) -> list[Any] | None:
    if args.registry_password is None or args.image.repository is None:
        return None
    return [
        {
            "address": args.image.repository.split("/")[0],
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
        registry: dict[str, Any] = {"server": repository.split("/", maxsplit=1)[0]}
        if args.registry_password is not None:
            registry |= {"username": args.registry_username, "password": args.registry_password}
        props = {
            "build": {
                "context": CONTEXT,
                "dockerfile": DOCKERFILE,
                "platform": "linux/amd64",
                "args": _build_args(args.image),
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
