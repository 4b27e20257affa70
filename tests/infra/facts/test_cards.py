"""How much of a card PyTorch sees."""

import pytest

from infra.facts.cards import CARDS, UNKNOWN_SHARE, visible_gib


@pytest.mark.parametrize(
    ("model", "gib", "visible"),
    [
        ("RTX 3090", 24, 23.56),
        ("NVIDIA GeForce RTX 3090", 24, 23.56),
        ("rtx-3090", 24, 23.56),
        ("RTX 3060", 12, 11.75),
        ("NVIDIA A100-SXM4-80GB", 80, 79.14),
        ("A100", 40, 39.5),
        ("NVIDIA A10", 22.5, 21.99),  # as nvidia-smi shows it
        ("NVIDIA A10", 24, 21.99),  # as it is sold
        ("Tesla T4", 15, 14.56),
        ("L40S", 48, 44.42),
        ("NVIDIA H100 NVL", 94, 93.0),
        ("NVIDIA RTX 6000 Ada Generation", 48, 44.43),
    ],
)
def test_a_listed_card(model: str, gib: float, visible: float) -> None:
    assert visible_gib(model, gib) == visible


@pytest.mark.parametrize(
    ("model", "gib"),
    [
        ("RTX 3090 Ti", 24),
        ("RTX 3060", 8),  # another card of that number
        ("A100 MIG 3g.40gb", 40),
        ("A100", 19.5),  # a slice
        ("no device", 24),
        ("L4", 22.5),
        ("", 24),
        ("RTX 3090", 48),  # modified
    ],
)
def test_of_an_unknown_card_a_share_is_assumed(model: str, gib: float) -> None:
    assert visible_gib(model, gib) == gib * UNKNOWN_SHARE


def test_the_assumed_share_is_no_more_than_that_of_any_listed_card() -> None:
    """Of what nvidia-smi shows, where that is known to be less than the advertised size."""
    shown = {
        "A10": 22.49,
        "6000 ADA": 44.99,
        "L40": 44.99,
        "L40S": 44.99,
        "T4": 15.0,
        "A2000": 11.99,
    }
    for card in CARDS:
        total = shown.get(" ".join(sorted(card.words)), card.advertised)
        assert card.visible / total >= UNKNOWN_SHARE, card
        assert card.visible < card.advertised
        assert card.source.startswith("https://github.com/")
