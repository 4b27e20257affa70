"""Everything that the documents name exists: links, files, verbs, keys, modules, error codes."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import haproxy

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
)
ADRS = sorted((ROOT / "docs/adr").glob("0*.md"))
ROOMS = (
    *("app", "bench", "ci", "cli", "docs", "examples", "infra", "requirements", "sandbox", "tests"),
    *("supply", "toolchain", ".github"),
)
SCHEMA = json.loads((ROOT / "docs/configuration.schema.json").read_text())
KEYS: dict[str, Any] = {
    name.removeprefix("rayline:"): node
    for name, node in SCHEMA["properties"]["config"]["properties"].items()
}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=named)
each_decision = pytest.mark.parametrize("path", ADRS, ids=named)


def code(text: str) -> list[str]:
    """Everything in backticks, and the lines of code blocks."""
    blocks = re.findall(r"^ *```.*?\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*re.findall(r"`([^`\n]+)`", rest), *"\n".join(blocks).splitlines()]


def anchors(path: Path) -> set[str]:
    """Anchors of the headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}


@each_document
def test_links_have_targets(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


@each_document
def test_pages_of_the_site_link_to_pages_of_the_site(path: Path) -> None:
    """Files outside docs/ are named, not linked."""
    if (ROOT / "docs") in path.parents:
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", path.read_text()):
            if not target.startswith(("https://", "http://")):
                assert (ROOT / "docs") in (path.parent / target).resolve().parents, target


@each_document
def test_named_files_exist(path: Path) -> None:
    for text in code(path.read_text()):
        for word in re.findall(r"(?<![\w/.:@-])[\w.][\w./<>*-]*/[\w./<>*-]*", text):
            if word.split("/")[0] not in ROOMS:
                continue
            plain = word.rstrip(".")
            if re.search(r"[<>*]", plain):
                plain = re.split(r"[<>*]", plain)[0].rpartition("/")[0]
            assert (ROOT / plain).exists(), word


def test_the_architecture_names_existing_files() -> None:
    present = {path.name for room in ROOMS for path in (ROOT / room).rglob("*")} | set(ROOMS)
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL)
    for name in re.findall(r"\b[a-z_]+(?:\.py\b|/)", "\n".join(blocks)):
        assert name.rstrip("/") in present or (ROOT / name).exists(), name


@each_document
def test_named_verbs_of_make_exist(path: Path) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    for text in code(path.read_text()):
        for verb in re.findall(r"(?:^|[\s(])make (?:-s )?([a-z][a-z-]*)", text):
            assert verb in phony[1].split(), f"make {verb}"


@each_document
def test_named_verbs_of_rayline_exist(path: Path) -> None:
    verbs = re.findall(r'^    "([a-z]+)": Verb\(', (ROOT / "cli/main.py").read_text(), re.MULTILINE)
    for text in code(path.read_text()):
        for verb in re.findall(r"(?:^|[ /(])rayline ([a-z][a-z-]*)", text):
            assert verb in verbs, f"rayline {verb}"


@each_document
def test_named_keys_exist(path: Path) -> None:
    for text in code(path.read_text()):
        for key in re.findall(r"rayline:(?!index:)([A-Za-z][\w.\[\]]*)", text):
            assert_key(key.rstrip("."))
        if re.fullmatch(rf"({'|'.join(KEYS)})(\[\])?\.[A-Za-z.]+(: \S+)?", text):
            assert_key(text.partition(":")[0])


def assert_key(key: str) -> None:
    """Whether every part of `models[0].name` is a key; below an open object any name may be."""
    here: dict[str, Any] = {"properties": KEYS}
    for part in re.findall(r"[A-Za-z]\w*", key):
        if here.get("additionalProperties"):
            return
        assert part in here.get("properties", {}), f"rayline:{key}"
        here = object_of(here["properties"][part])


def object_of(node: dict[str, Any]) -> dict[str, Any]:
    """The object that a node of the schema refers to, lists, or permits besides null."""
    if "$ref" in node:
        return object_of(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]])
    if "items" in node:
        return object_of(node["items"])
    for choice in node.get("anyOf", ()):
        if found := object_of(choice):
            return found
    return node if "properties" in node or "additionalProperties" in node else {}


@each_document
def test_named_modules_exist(path: Path) -> None:
    for text in code(path.read_text()):
        for module in re.findall(r"python -m ([\w.]+)", text):
            assert find_spec(module), module


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    listed = re.findall(r"[\w./-]+\.md", yaml.safe_dump(site["nav"]))
    docs = ROOT / "docs"
    assert sorted(listed) == sorted(str(path.relative_to(docs)) for path in docs.rglob("*.md"))


def test_nothing_on_the_site_comes_from_another_host() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert site["theme"]["font"] is False
    for key in ("extra_javascript", "extra_css"):
        assert not [entry for entry in site.get(key, ()) if "//" in str(entry)]


@each_decision
def test_every_decision_has_the_same_format(path: Path) -> None:
    text = path.read_text()
    assert re.match(rf"# {path.name[:4]}: \S.*\n+Status: (accepted|superseded by 0\d\d\d)\n", text)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[:3] == ["Context", "Decision", "Consequences"]
    assert headings[3:] in ([], ["Rejected"])
    assert f"]({path.name})" in (ROOT / "docs/adr/README.md").read_text()


def test_every_code_of_an_api_error_is_documented() -> None:
    pattern = re.compile(r'RefusedError\(\s*(?:\d+|status),\s*"([a-z_]+)"')
    raised = {
        name for path in (ROOT / "app").rglob("*.py") for name in pattern.findall(path.read_text())
    }
    raised |= set(re.findall(r'"code": "([a-z_]+)"', "".join(haproxy.answers())))
    text = (ROOT / "docs/reference/codes.md").read_text().partition("## The API")[2]
    documented = set(re.findall(r"`([a-z]+_[a-z_]+)`", text)) - {"invalid_token"}
    assert documented == raised
