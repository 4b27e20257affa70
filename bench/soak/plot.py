"""The curves of a soak as an SVG: requests and failures, memory, descriptors, over time. Pure."""

from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from bench.soak import flat
from bench.soak.flat import Sample
from bench.soak.report import Soak

WIDTH, PANEL, LEFT, TOP, RIGHT = 900, 150, 70, 40, 190
BOTTOM = 40
COLOURS = ("#3f51b5", "#d32f2f", "#2e7d32", "#f57c00", "#6a1b9a", "#00838f", "#5d4037", "#455a64")
BUCKET_SECONDS = 10.0
Curve = tuple[str, list[tuple[float, float]]]


def svg(soak: Soak) -> str:
    """Three panels with the same axis of time; grey lines are kills, black ones are `up`s."""
    panels = [
        ("requests per second", _rates(soak)),
        ("memory, MiB", _curves(soak.samples, lambda one: one.memory / 2**20)),
        ("descriptors", _curves(soak.samples, lambda one: float(one.descriptors))),
    ]
    height = TOP + len(panels) * (PANEL + BOTTOM)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, (title, curves) in enumerate(panels):
        parts += _panel(title, curves, soak, TOP + number * (PANEL + BOTTOM))
    return "\n".join([*parts, "</svg>", ""])


def _rates(soak: Soak) -> list[Curve]:
    """Of all requests, and of those that failed, by the time of their end."""
    count = int(soak.seconds // BUCKET_SECONDS) + 1
    answered, failed = [0] * count, [0] * count
    for event in soak.events:
        bucket = min(count - 1, max(0, int(event.ended // BUCKET_SECONDS)))
        (failed if event.failure else answered)[bucket] += 1
    return [
        (name, [(n * BUCKET_SECONDS, value / BUCKET_SECONDS) for n, value in enumerate(numbers)])
        for name, numbers in (("answered", answered), ("failed", failed))
    ]


def _curves(samples: Sequence[Sample], value: Callable[[Sample], float]) -> list[Curve]:
    return [
        (part, [(one.at, value(one)) for one in own]) for part, own in flat.by_part(samples).items()
    ]


def _panel(title: str, curves: Sequence[Curve], soak: Soak, top: float) -> list[str]:
    largest = max((value for _, points in curves for _, value in points), default=0.0) or 1.0

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at / max(soak.seconds, 1.0)

    def y(value: float) -> float:
        return top + PANEL * (1 - value / largest)

    right, bottom = WIDTH - RIGHT, top + PANEL
    parts = [
        f'<text x="{LEFT}" y="{top - 8}" font-weight="bold">{escape(title)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{right - LEFT}" height="{PANEL}" fill="none" '
        'stroke="#9e9e9e"/>',
    ]
    for action in soak.actions:
        colour = "#e0e0e0" if action.part else "#212121"
        parts.append(
            f'<line x1="{x(action.at):.1f}" x2="{x(action.at):.1f}" y1="{top}" y2="{bottom}" '
            f'stroke="{colour}"><title>{escape(str(action))}</title></line>'
        )
    for value in (0.0, largest / 2, largest):
        parts.append(
            f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>'
        )
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = soak.seconds * share
        parts.append(
            f'<text x="{x(at):.1f}" y="{bottom + 14}" text-anchor="middle">{at / 60:.3g} min</text>'
        )
    for number, (name, points) in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        parts.append(
            f'<text x="{right + 8}" y="{top + 12 + 14 * number}" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return parts
