"""Previews as Markdown: the body of the comment, and the job's summary."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ci.pulumi import Preview

MARKER = "<!-- rayline-preview -->"
"""First line of our comment; not shown, and how the next run finds it."""

COMMENT_LIMIT = 60_000
"""Bytes of UTF-8. GitHub refuses more than 65,536 characters, GitLab more than 1,000,000."""
SUMMARY_LIMIT = 900_000
"""Bytes. GitHub refuses a step's summary above 1 MiB."""
_LONGEST_LINE = 2_000
"""Characters. A single line (a whole file as a string) must not push out the others."""
_FRAME = 600
"""Bytes that headings and fences of one stack need at most."""

_SIGNS = (("create", "+"), ("update", "~"), ("delete", "-"), ("replace", "+-"))
_SIGNED = re.compile(r"^( +)(\+\+|--|\+-|-\+|[+\-~])(?= )", re.MULTILINE)


@dataclass(frozen=True)
class Context:
    """What the previews were made of, and where their whole text is."""

    commit: str = ""
    """What was previewed, as the reader knows it: the branch's commit."""
    whole: str = ""
    """Address or name of what holds the diffs in full."""


def summary(preview: Preview) -> str:
    """One line: `dev: +2 ~1 -0`, and how it went."""
    if not preview.ok:
        return f"**{preview.stack}: failed** ({preview.seconds:.0f} s)"
    counts = preview.counts
    if counts is None:
        return f"**{preview.stack}**: ok, but its changes could not be counted"
    shown = [f"{sign}{counts.get(name, 0)}" for name, sign in _SIGNS[:3]]
    named = {name for name, _ in _SIGNS[:3]} | {"unchanged"}
    signs = dict(_SIGNS)
    shown += [
        f"{signs[name]}{number}" if name in signs else f"{number} to {name}"
        for name, number in counts.items()
        if name not in named
    ]
    return f"**{preview.stack}: {' '.join(shown)}** (ok, {preview.seconds:.0f} s)"


def compose(previews: Sequence[Preview], context: Context, limit: int = COMMENT_LIMIT) -> str:
    """The Markdown of all stacks, at most `limit` bytes long."""
    # GitHub colours signs in the first column only; moving them there keeps every width.
    texts = [_few_ticks(_SIGNED.sub(r"\2\1", preview.diff)) for preview in previews]
    room = limit - 500 - sum(_FRAME + len(p.stack.encode()) for p in previews)
    shares = _shares([len(text.encode()) for text in texts], room)
    where = f"; in full: {context.whole}" if context.whole else ""
    parts = [MARKER, "### Pulumi preview", ""]
    parts += [f"- {summary(preview)}" for preview in previews]
    if context.commit:
        parts += ["", f"Commit {context.commit}"]
    for preview, text, share in zip(previews, texts, shares, strict=True):
        shown, omitted = shorten(text, share)
        opened = "" if preview.ok else " open"
        title = f"{preview.stack}: {'diff' if preview.ok else 'error'}"
        parts += ["", f"<details{opened}><summary>{title}</summary>", ""]
        if omitted:
            parts += [f"Lines left out: {omitted}{where}", ""]
        fence = _fence(shown)
        parts += [f"{fence}diff", shown, fence, "", "</details>"]
    return "\n".join(parts) + "\n"


def shorten(text: str, limit: int) -> tuple[str, int]:
    """`text` in at most `limit` bytes, and how many of its lines that leaves out.

    The head (3 of 5 bytes) and the tail stay: the tail has the counts, or the error.
    """
    if len(text.encode()) <= limit:
        return text, 0
    lines = [_clip(line, max(80, min(_LONGEST_LINE, limit // 10))) for line in text.splitlines()]
    limit -= 60  # the line about what is left out
    head = _fitting(lines, limit * 3 // 5)
    rest = lines[len(head) :]
    tail = _fitting(reversed(rest), limit - sum(_size(line) for line in head))
    omitted = len(rest) - len(tail)
    note = [f"... lines left out: {omitted} ..."] if omitted else []
    return "\n".join([*head, *note, *reversed(tail)]), omitted


def _fitting(lines: Iterable[str], limit: int) -> list[str]:
    taken: list[str] = []
    for line in lines:
        limit -= _size(line)
        if limit < 0:
            break
        taken.append(line)
    return taken


def _size(line: str) -> int:
    return len(line.encode()) + 1


def _clip(line: str, longest: int) -> str:
    if len(line) <= longest:
        return line
    return f"{line[:longest]} ... characters left out: {len(line) - longest}"


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Split `room` so that small texts stay whole and the large ones share what is left."""
    shares = [0] * len(sizes)
    for left, index in enumerate(sorted(range(len(sizes)), key=lambda i: sizes[i])):
        shares[index] = min(sizes[index], room // (len(sizes) - left))
        room -= shares[index]
    return shares


def _few_ticks(text: str) -> str:
    """A fence is longer than what it holds, and a comment's length is limited."""
    return re.sub(r"`{60,}", lambda run: f"[{len(run[0])} backticks]", text)


def _fence(text: str) -> str:
    """Longer than every run of backticks inside, so that nothing inside can end it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)
