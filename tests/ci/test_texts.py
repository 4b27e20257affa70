"""Counting, redacting and shortening, without processes."""

import base64
from pathlib import Path

import pytest

from ci import pulumi
from ci.markdown import Context, compose, shorten, summary
from ci.pulumi import Preview
from ci.redaction import REDACTED, Redactor


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (
            "x\nResources:\n    + 2 to create\n    +-1 to replace\n    3 changes. 12 unchanged",
            {"create": 2, "replace": 1, "unchanged": 12},
        ),
        ("Resources:\n    4 unchanged\n", {"unchanged": 4}),
        (
            "    Resources:\n    + 9 to create\nResources:\n    = 1 to import\n    - 3 to delete\n",
            {"import": 1, "delete": 3},
        ),
        ("nothing of the kind", None),
    ],
)
def test_counts_come_from_the_last_table(text: str, counts: dict[str, int] | None) -> None:
    assert pulumi.counts(text) == counts


def made(diff: str, counts: dict[str, int] | None, *, ok: bool = True) -> Preview:
    return Preview("dev", ok, diff, counts, 12.4, "")


def test_a_summary_is_one_line() -> None:
    given = {"create": 2, "update": 1, "replace": 3, "import": 1, "unchanged": 7}
    assert summary(made("", given)) == "**dev: +2 ~1 -0 +-3 1 to import** (ok, 12 s)"
    assert "could not be counted" in summary(made("", None))
    assert summary(made("", None, ok=False)) == "**dev: failed** (12 s)"


@pytest.mark.parametrize("limit", [500, 1_000, 10_000])
@pytest.mark.parametrize("line", ["x" * 50, "ü" * 50, "y" * 100_000], ids="xuy")
def test_shortened_text_fits_and_counts_what_is_left_out(line: str, limit: int) -> None:
    text = "\n".join(f"{number} {line}" for number in range(400))
    short, omitted = shorten(text, limit)
    assert len(short.encode()) <= limit
    kept = [shown for shown in short.splitlines() if shown[0].isdigit()]
    assert len(kept) + omitted == 400
    assert kept[0].startswith("0 ")
    assert kept[-1].startswith("399 ")


@pytest.mark.parametrize("stacks", [1, 2, 20])
@pytest.mark.parametrize(
    "diff", ["`" * 300_000, "`a" * 99_999, "line\n" * 99_999, "\n" * 99_999], ids="abcd"
)
def test_a_comment_is_never_longer_than_its_limit(diff: str, stacks: int) -> None:
    context = Context(commit="0123456789ab", whole="https://git.example.com/" + "x" * 100)
    body = compose([made(diff, None)] * stacks, context)
    assert len(body.encode()) <= 60_000


def test_colours_and_control_characters_go_and_text_stays() -> None:
    text = "\x1b[1m\x1b[38;5;2m+ a\x1b[0m\x1b]8;;http://x\x07link\x1b]8;;\x07\x00\r\n\tüber\x07"
    assert pulumi.clean(text) == "+ alink\n\tüber"


@pytest.mark.parametrize(
    "name",
    ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD",
     "HF_API_KEY", "GOOGLE_CREDENTIALS", "REGISTRY_AUTH", "MY_PAT", "SIGNING_KEY"],
)  # fmt: skip
def test_values_of_secret_variables_are_redacted_as_they_are_and_in_base64(name: str) -> None:
    value = "s3cret value"
    redact = Redactor({name: value})
    encoded = base64.b64encode(value.encode()).decode()
    assert redact(f"a {value} b {encoded} [secret]") == f"a {REDACTED} b {REDACTED} [secret]"


def test_a_value_inside_another_leaves_no_rest() -> None:
    values = [f"inner{'-longer' * number}" for number in range(1, 9)]
    redact = Redactor({f"TOKEN_{number}": value for number, value in enumerate(values)})
    assert redact(values[-1]) == REDACTED


def test_ordinary_values_stay() -> None:
    redact = Redactor(
        {"HOME": "/home/runner", "CI_COMMIT_REF": "main-branch", "USE_TOKEN": "true", "A_KEY": ""}
    )
    text = "/home/runner main-branch true"
    assert redact(text) == text


def test_what_files_of_credentials_hold_is_redacted(tmp_path: Path) -> None:
    phrase, kubeconfig = tmp_path / "phrase", tmp_path / "kubeconfig"
    phrase.write_text("from a file\n")
    token = "Zm9vYmFy" * 6
    server = "https://cluster.example.com:6443"
    kubeconfig.write_text(f"server: {server}\nusers:\n- user:\n    token: {token}\n")
    redact = Redactor({"PULUMI_CONFIG_PASSPHRASE_FILE": str(phrase), "KUBECONFIG": str(kubeconfig)})
    assert redact(f"from a file {token} {server}") == f"{REDACTED} {REDACTED} {server}"
    assert token not in Redactor({"RAYLINE_KUBECONFIG": kubeconfig.read_text()})(token)


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
        "ghp_" + "a1B2" * 9,
        "glpat-" + "a1B2" * 5,
        "pul-" + "0af1" * 10,
        "hf_" + "a1B2" * 8,
        "AKIA" + "ABCD1234" * 2,
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        "-----BEGIN RSA PRIVATE KEY-----\n    MIIabc\n    -----END RSA PRIVATE KEY-----",
    ],
)
def test_what_has_the_shape_of_a_secret_is_redacted(secret: str) -> None:
    assert Redactor({})(f'value: "{secret}" end') == f'value: "{REDACTED}" end'


def test_passwords_in_addresses_are_redacted() -> None:
    assert Redactor({})("https://bob:pw1@host/x") == f"https://{REDACTED}@host/x"
