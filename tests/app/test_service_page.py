"""docs/service.md has the roles and the settings of the guard as they are in the code."""

from tests.app import service_page


def test_the_tables_of_the_page_match_the_code() -> None:
    advice = "write the tables with: python -m tests.app.service_page"
    assert service_page.written() == service_page.generated(), advice
