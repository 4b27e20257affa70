"""The Secret with which nodes pull the image, made from encrypted values."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.specs import Spec
from infra.specs.pull_secret import KEY, docker_config


@dataclass(frozen=True, kw_only=True)
class PullSecretArgs:
    """`manifest` is the Secret without content, or None if the stack makes none. The credentials
    are for `registry`."""

    manifest: Spec | None
    registry: str
    username: pulumi.Input[str] | None
    password: pulumi.Input[str] | None


class PullSecret(pulumi.ComponentResource):
    """A Secret of type kubernetes.io/dockerconfigjson. New credentials change it in place."""

    def __init__(
        self, name: str, args: PullSecretArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:platform:PullSecret", name, None, opts)
        if args.manifest is not None:
            content = pulumi.Output.all(args.username, args.password).apply(
                lambda login: docker_config(args.registry, str(login[0]), str(login[1]))
            )
            kubernetes.core.v1.Secret(
                name,
                metadata=args.manifest["metadata"],
                type=args.manifest["type"],
                string_data=pulumi.Output.secret({KEY: content}),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
