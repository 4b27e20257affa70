"""`python -m tests.guarantees` writes docs/guarantees.md."""

from tests.guarantees import page

if __name__ == "__main__":
    page.PAGE.write_text(page.generated())
