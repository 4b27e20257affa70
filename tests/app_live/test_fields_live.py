"""The table of fields against the real vLLM: its OpenAPI, its models, its media connector."""

import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import Any

import pytest

from app.guard.fields.table import Table
from bench.serving.cluster import ROOT
from tests.app.guard import body_mutations, reader
from tests.app.guard.test_body_mutations import bypasses, form, passed_on
from tests.app.guard.vllm_applications import all_routes, applications

pytestmark = [pytest.mark.live]

COUNT = int(os.environ.get("RAYLINE_TEST_MUTATIONS", "2000"))


def vllm(module: str, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.app_live.{module}"],
        cwd=ROOT,
        input=given,
        check=True,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return done.stdout


@cache
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(vllm("vllm_openapi").splitlines()[-1])
    return found


def test_the_snapshot_is_what_vllm_says() -> None:
    """`python -m tests.app_live.vllm_openapi --write` makes it anew."""
    assert described() == applications()


@pytest.mark.parametrize("kind", applications())
def test_every_field_of_the_real_application_is_placed(kind: str) -> None:
    assert Table(described()[kind]).unplaced == frozenset()


def test_no_mutated_body_gets_past_a_rule_as_vllm_reads_it() -> None:
    table = Table(all_routes())
    accepted = []
    for request in body_mutations.mutated(COUNT, seed=3):
        body = passed_on(table, request)
        if body is not None:
            is_form = request.content_type != body_mutations.JSON
            document = form(request.content_type, body) if is_form else json.loads(body)
            accepted.append((request.template, document, is_form))
    lines = "".join(json.dumps([template, document]) + "\n" for template, document, _ in accepted)
    answers = [line[1:] for line in vllm("vllm_reader", lines).splitlines() if line[:1] == "="]
    assert len(answers) == len(accepted)
    broken, outcomes = [], Counter[str]()
    for (template, document, is_form), answer in zip(accepted, answers, strict=True):
        found = json.loads(answer)
        outcomes[found if isinstance(found, str) else "read"] += 1
        if isinstance(found, dict):
            read = reader.Read(capped=template in reader.CAPS, **found)
            broken += [(rule, template, document) for rule in bypasses(read, is_form)]
    print(f"{COUNT} mutated bodies, {len(accepted)} passed the guard; vLLM: {dict(outcomes)}")
    assert broken == []
    assert outcomes["read"] > COUNT / 10


def test_vllm_follows_no_redirect_and_fetches_only_from_the_guards_hosts() -> None:
    assert json.loads(vllm("vllm_fetches").splitlines()[-1]) == {
        "allowed": ["/picture"],
        "redirected": ["/redirect"],
        "other host": [],
    }
