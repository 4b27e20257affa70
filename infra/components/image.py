"""The image of head and workers: built and pushed, or given by digest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from infra.settings.platform import Image

# Relative, so that the state is the same whichever checkout it was made from.
CONTEXT = "."
DOCKERFILE = "./app/Dockerfile"
# pulumi-docker is not a package of ours: teams on a plain Docker engine get its plug-in on demand.
DOCKER_PLUGIN = "5.2.0"


@dataclass(frozen=True, kw_only=True)
class ServiceImageArgs:
    """`tag` names the push; what is used is the digest. Credentials are of the registry."""

    image: Image
    tag: str
    registry_username: pulumi.Input[str] | None = None
    registry_password: pulumi.Input[str] | None = None


class ServiceImage(pulumi.ComponentResource):
    """`ref` is what pods run: repository@sha256:digest."""

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
        # The registry export pushes. zstd at its fastest: packing 3 GB of Python packages with
        # gzip takes minutes on two cores, and a node unpacks zstd several times as fast. Level 0 is
        # taken for absent by the plug-in, and drops the compression with it.
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
        # 20 GB are not built to show a diff.
        build_on_preview=False,
        opts=pulumi.ResourceOptions.merge(
            opts,
            # The registry's clean-up is the registry's: a rollback may need yesterday's digest.
            pulumi.ResourceOptions(retain_on_delete=True),
        ),
    )
    # `ref` carries the tag as well, which containerd ignores beside a digest.
    digest: pulumi.Output[str] = built.digest
    return digest.apply(lambda known: f"{image.repository}@{known}")


def _build_args(image: Image) -> dict[str, str]:
    """SOURCE_DATE_EPOCH: the same content has the same digest whenever it is built."""
    return {"BASE": image.base, "REQUIREMENTS": image.requirements, "SOURCE_DATE_EPOCH": "0"}


def _secrets(image: Image) -> dict[str, pulumi.Input[str]] | None:
    """pip's configuration may hold a password: it is mounted for one step, never in a layer."""
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
    """pulumi-docker's Image by its type token: no package of it is needed for these few inputs.

    https://www.pulumi.com/registry/packages/docker/api-docs/image/
    """

    repo_digest: pulumi.Output[str]
    """repository@sha256:digest, known once it is pushed."""

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
