"""The encrypted keys of a stack and their purposes; the forms of values are in `secret_forms`."""

from collections.abc import Mapping

from infra.settings.framework.secret_key import SecretKey


def _entry(name: str, description: str, **more: bool) -> SecretKey:
    """Without a value the command prompts for it, which keeps secrets out of the shell history."""
    return SecretKey(name, description, f"pulumi config set --secret rayline:{name}", **more)


SECRET_KEYS: Mapping[str, SecretKey] = {
    key.name: key
    for key in (
        SecretKey(
            "jwtKey",
            "Signs the tokens of POST /token; at least 32 bytes. Absent: rayline generates one.",
            "rayline users key | pulumi config set --secret rayline:jwtKey",
        ),
        _entry(
            "jwtPreviousKeys",
            "Keys whose tokens remain valid after jwtKey has changed, separated by commas.",
        ),
        SecretKey(
            "userHashes",
            "Hash of each user's password, by user name. A name with a dot or an @ goes into "
            'brackets: rayline:userHashes["jane.doe"]. A user without a hash gets a generated '
            "password, which the stack output `passwords` shows.",
            "rayline users hash | pulumi config set --secret --path 'rayline:userHashes.<name>'",
            by_user=True,
        ),
        _entry(
            "hubToken",
            "Token of the hub, for gated and private models. Only download Jobs receive it.",
        ),
        _entry(
            "proxyUrl",
            "Proxy of download Jobs and image builds as http://user:password@host:port, in place "
            "of network.httpProxy and httpsProxy.",
        ),
        _entry(
            "rayToken",
            "Ray's own token (dashboard, Serve's API). Absent: rayline generates one.",
        ),
        _entry("registryUsername", "User name for pushing to the registry.", encrypted=False),
        _entry("registryPassword", "Password or token for pushing to the registry."),
        _entry(
            "pullUsername",
            "User name for pulling the image, for image.createPullSecret. Absent: "
            "registryUsername.",
            encrypted=False,
        ),
        _entry(
            "pullPassword",
            "Password or token for pulling the image, for image.createPullSecret. Absent: "
            "registryPassword.",
        ),
    )
}
