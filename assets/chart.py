"""A small bar chart as Markdown with an SVG in it. Counts only; no library is needed."""

import base64
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 920, 300
_LEFT, _TOP, _BOTTOM = 56, 16, 92
# Colours that stay apart for colour-blind readers (Okabe and Ito).
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#777777")


def stacked_bars(
    labels: Sequence[str], series: Mapping[str, Mapping[str, int]], title: str = "rows"
) -> str:
    """One bar for each of ``labels``, one colour for each of ``series`` (the last ones share)."""
    picture = base64.b64encode(_svg(labels, series, title).encode()).decode()
    return f"![{title}](data:image/svg+xml;base64,{picture})"


def _svg(labels: Sequence[str], series: Mapping[str, Mapping[str, int]], title: str) -> str:
    top = max(
        (sum(found.get(label, 0) for found in series.values()) for label in labels), default=0
    )
    top = _round_up(top)
    space = _HEIGHT - _TOP - _BOTTOM
    step = (_WIDTH - _LEFT - 12) / max(1, len(labels))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"',
        f' viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for quarter in range(5):
        y = _TOP + space - space * quarter / 4
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - 12}" stroke="#dddddd"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#444444">'
            f"{top * quarter / 4:g}</text>"
        )
    for number, label in enumerate(labels):
        x, y = _LEFT + step * number, float(_TOP + space)
        for place, found in enumerate(series.values()):
            height = space * found.get(label, 0) / top
            y -= height
            if height:
                parts.append(
                    f'<rect x="{x + step * 0.15:.1f}" y="{y:.1f}" width="{step * 0.7:.1f}" '
                    f'height="{height:.1f}" fill="{_colour(place)}"/>'
                )
        middle = x + step / 2
        parts.append(
            f'<text x="{middle:.1f}" y="{_TOP + space + 12}" text-anchor="end" fill="#444444" '
            f'transform="rotate(-45 {middle:.1f} {_TOP + space + 12})">{escape(label)}</text>'
        )
    parts += _legend(list(series))
    return "".join([*parts, f"<title>{escape(title)}</title></svg>"])


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    for place, name in enumerate(names):
        x = _LEFT + (place % 4) * 210
        y = _HEIGHT - 28 + (place // 4) * 16
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{_colour(place)}"/>')
        parts.append(f'<text x="{x + 14}" y="{y}" fill="#222222">{escape(name)}</text>')
    return parts


def _colour(place: int) -> str:
    return _COLOURS[min(place, len(_COLOURS) - 1)]


def _round_up(number: int) -> int:
    """The next of 4, 8, 20, 40, 80, 200 …: four even steps on the axis."""
    size = 4
    while size < number:
        size = size * 5 // 2 if str(size).startswith("8") else size * 2
    return size
