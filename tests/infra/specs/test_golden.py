"""The objects of the production stack are those in the golden files, which reviewers read."""

import os

import pytest

from tests.infra import golden

ADVICE = "if the change is intended, run: python -m tests.infra.golden"


@pytest.fixture(scope="module", autouse=True)
def _update_on_request() -> None:
    if os.environ.get("RAYLINE_UPDATE_GOLDEN") == "1":
        golden.update()


def test_every_object_has_its_file_and_no_file_is_left_over() -> None:
    files = {path.name for path in golden.FOLDER.glob("*.yaml")}
    assert files == set(golden.texts()), ADVICE


@pytest.mark.parametrize("name", golden.texts())
def test_every_object_matches_its_file(name: str) -> None:
    assert golden.texts()[name] == (golden.FOLDER / name).read_text(), ADVICE
