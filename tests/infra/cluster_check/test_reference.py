"""docs/reference/cluster-checks.md lists every rule, in its current words."""

from infra.cluster_check import reference, registry


def test_the_page_is_generated_from_the_rules() -> None:
    assert reference.PAGE.read_text() == reference.page(), (
        "type: .venv/bin/python -m infra.cluster_check.reference"
    )


def test_every_rule_is_on_the_page() -> None:
    text = reference.PAGE.read_text()
    missing = [
        rule.__name__
        for rule in registry.rules()
        if not rule.__doc__ or f"| {rule.__name__.replace('_', ' ').capitalize()} |" not in text
    ]
    assert missing == []
    assert len(registry.rules()) > 25
