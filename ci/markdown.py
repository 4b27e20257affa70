"""Previews as Markdown: the body of the comment, and the job's summary."""

import re
from collections.abc import Iterable, Sequence

from ci.provider import Context
from ci.pulumi import Preview

MARKER = "<!-- rayline-preview -->"
"""First line of our comment. It is not shown; the next run finds the comment by it."""

_LINE_LIMIT = 2_000
"""Characters. A single line (a whole file as a string) must not push out the others."""
_FRAME = 600
"""Upper limit in bytes for the headings and fences of one stack."""

_SIGNS = (("create", "+"), ("update", "~"), ("delete", "-"), ("replace", "+-"))
_SIGNED = re.compile(r"^( +)(\+\+|--|\+-|-\+|[+\-~])(?= )", re.MULTILINE)


def summary(preview: Preview) -> str:
    """One line per stack: `dev: +2 ~1 -0`, the outcome and the duration."""
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


def compose(previews: Sequence[Preview], context: Context, limit: int) -> str:
    """The Markdown of all stacks, at most `limit` bytes long."""
    # Only signs in the first column are coloured; moving them there keeps every width.
    texts = [_few_ticks(_SIGNED.sub(r"\2\1", preview.diff)) for preview in previews]
    room = limit - 500 - sum(_FRAME + len(p.stack.encode()) for p in previews)
    shares = _shares([len(text.encode()) for text in texts], room)
    where = f"; in full: {context.full_text}" if context.full_text else ""
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
    """`text` in at most `limit` bytes, and the number of lines left out.

    The head (3/5 of the bytes) and the tail stay: the tail contains the counts or the error.
    """
    if len(text.encode()) <= limit:
        return text, 0
    lines = [_clip(line, max(80, min(_LINE_LIMIT, limit // 10))) for line in text.splitlines()]
    limit -= 60  # for the line that reports the omission
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


def _clip(line: str, limit: int) -> str:
    if len(line) <= limit:
        return line
    return f"{line[:limit]} ... characters left out: {len(line) - limit}"


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Split `room` so that short texts stay whole and long ones share the rest."""
    shares = [0] * len(sizes)
    for left, index in enumerate(sorted(range(len(sizes)), key=lambda i: sizes[i])):
        shares[index] = min(sizes[index], room // (len(sizes) - left))
        room -= shares[index]
    return shares


def _few_ticks(text: str) -> str:
    """Replace long runs of backticks: the fence must be longer than any, and space is limited."""
    return re.sub(r"`{60,}", lambda run: f"[{len(run[0])} backticks]", text)


def _fence(text: str) -> str:
    """A fence that no run of backticks inside can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)
