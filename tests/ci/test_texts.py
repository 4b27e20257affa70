"""Counting, redacting and shortening, without processes."""

import base64
from pathlib import Path

import pytest

from ci import providers, pulumi
from ci.markdown import compose, shorten, summary
from ci.provider import Context
from ci.pulumi import Preview
from ci.redaction import REDACTED, Redactor


def test_counts_come_from_the_event_log(tmp_path: Path) -> None:
    """Recorded from Pulumi 3.259.0: the last event of a preview, with all kinds of changes."""
    log = tmp_path / "events.json"
    log.write_text(
        '{"sequence":0,"timestamp":1795780945,"preludeEvent":{"config":{}}}\n'
        '{"sequence":9,"timestamp":1795780946,"summaryEvent":{"maybeCorrupt":false,'
        '"durationSeconds":1,"resourceChanges":{"create":1,"delete":1,"replace":1,"read":4,'
        '"same":1,"update":1},"PolicyPacks":{},"isPreview":true,"result":"succeeded"}}\n'
        '{"sequence":10,"timestamp":1795780946,"cancelEvent":{}}\n'
    )
    expected = {"create": 1, "delete": 1, "replace": 1, "unchanged": 1, "update": 1}
    assert pulumi.counts(log) == expected


@pytest.mark.parametrize("text", [None, "", '{"cancelEvent":{}}', '{"summaryEvent":{}}', "{", "1"])
def test_a_log_without_a_summary_has_no_counts(tmp_path: Path, text: str | None) -> None:
    log = tmp_path / "events.json"
    if text is not None:
        log.write_text(text)
    assert pulumi.counts(log) is None


def made(diff: str, counts: dict[str, int] | None, *, ok: bool = True) -> Preview:
    return Preview("dev", ok, diff, counts, 12.4, "")


def test_a_summary_is_one_line() -> None:
    counted = {"create": 2, "update": 1, "replace": 3, "import": 1, "unchanged": 7}
    assert summary(made("", counted)) == "**dev: +2 ~1 -0 +-3 1 to import** (ok, 12 s)"
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
    context = Context("0123456789ab", "https://git.example.com/" + "x" * 100)
    for provider in providers.every():
        body = compose([made(diff, None)] * stacks, context, provider.comment_limit)
        assert len(body.encode()) <= provider.comment_limit <= 60_000


def test_colours_and_control_characters_are_removed_and_text_stays() -> None:
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


def test_the_content_of_credential_files_is_redacted(tmp_path: Path) -> None:
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
def test_text_shaped_like_a_secret_is_redacted(secret: str) -> None:
    assert Redactor({})(f'value: "{secret}" end') == f'value: "{REDACTED}" end'


def test_passwords_in_addresses_are_redacted() -> None:
    assert Redactor({})("https://bob:pw1@host/x") == f"https://{REDACTED}@host/x"
