"""Charts as inline SVG, without scripts or libraries; the page defines the colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 360, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 12, 12, 38
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from `least` to `most` with ticks at `marks`; `unit` formats a value, and
    `label` names the quantity."""

    label: str
    low: float
    high: float
    marks: Sequence[float]
    unit: str = ""

    def at(self, value: float) -> float:
        """The position of a value, from 0 to 1, clipped at the ends."""
        return min(1.0, max(0.0, (value - self.low) / ((self.high - self.low) or 1)))

    def mark(self, value: float) -> str:
        return f"{value:g}{self.unit}"


def percent(label: str, high: float = 1.0) -> Axis:
    """An axis for shares in [0, 1], shown as per cent."""
    step = next(step for step in (0.05, 0.1, 0.2, 0.25) if high / step <= 5.01)
    return _Percent(
        label, 0.0, high, [round(n * step, 4) for n in range(int(high / step + 1e-9) + 1)]
    )


class _Percent(Axis):
    def mark(self, value: float) -> str:
        return f"{100 * value:g} %"


@dataclass(frozen=True, slots=True)
class Chart:
    """`said` is the chart in words, for screen readers."""

    title: str
    words: str
    x: Axis
    y: Axis

    def line(self, points: Sequence[Point], marks: str = "") -> str:
        """Points joined by a line in their order, with the area below filled."""
        path = " ".join(
            f"{'L' if n else 'M'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(self._places(points))
        )
        left, right = self._x(points[0][0]), self._x(points[-1][0])
        area = (
            f"{path} L{right:.1f} {self._y(self.y.low):.1f} L{left:.1f} {self._y(self.y.low):.1f} Z"
        )
        return self._figure(
            f'<path class="area" d="{area}"/><path class="line" d="{path}"/>{marks}'
        )

    def dots(self, points: Sequence[tuple[float, float, int]]) -> str:
        """Points sized by their weight, and the diagonal of equal values."""
        largest = max((count for _, _, count in points), default=1)
        diagonal = (
            f'<path class="even" d="M{self._x(0):.1f} {self._y(0):.1f} L{self._x(1):.1f} '
            f'{self._y(1):.1f}"/>'
        )
        circles = [
            self.dot(x, y, f"{count} questions", 3 + 9 * (count / largest) ** 0.5)
            for x, y, count in points
        ]
        return self._figure(diagonal + "".join(circles))

    def dot(self, x: float, y: float, words: str, radius: float = 5.0) -> str:
        place = f'cx="{self._x(x):.1f}" cy="{self._y(y):.1f}" r="{radius:.1f}"'
        title = (
            f"{words}: {self.x.label} {self.x.mark(round(x, 3))}, {self.y.label} "
            f"{self.y.mark(round(y, 3))}"
        )
        return f'<circle class="dot" {place}><title>{escape(title)}</title></circle>'

    def _figure(self, content: str) -> str:
        svg = (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{escape(self.words)}">{self._axes()}{content}</svg>'
        )
        return f"<figure><figcaption>{escape(self.title)}</figcaption>{svg}</figure>"

    def _axes(self) -> str:
        left, right, low = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        rows = [
            f'<path class="grid" d="M{left} {self._y(v):.1f} H{right}"/>'
            f'<text x="{left - 6}" y="{self._y(v) + 4:.1f}" '
            f'text-anchor="end">{self.y.mark(v)}</text>'
            for v in self.y.marks
        ]
        columns = [
            f'<text x="{self._x(v):.1f}" y="{low + 15}" '
            f'text-anchor="middle">{self.x.mark(v)}</text>'
            for v in self.x.marks
        ]
        label = (
            f'<text class="label" x="{(left + right) / 2}" y="{_HEIGHT - 5}" '
            f'text-anchor="middle">{escape(self.x.label)}</text>'
        )
        return "".join([*rows, *columns, label])

    def _places(self, points: Sequence[Point]) -> list[Point]:
        return [(self._x(x), self._y(y)) for x, y in points]

    def _x(self, value: float) -> float:
        return _LEFT + self.x.at(value) * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - self.y.at(value) * (_HEIGHT - _TOP - _BOTTOM)


def scale(highest: float, marks: int = 4) -> list[float]:
    """Round numbers from 0 up to `most`, in about `steps` steps."""
    power = 10.0 ** len(str(int(highest / marks))) / 10 if highest >= marks else 10.0**-3
    while highest / power > marks:
        power *= 2 if str(power).lstrip("0.").startswith(("1", "5")) else 2.5
    return [n * power for n in range(int(-(-highest // power)) + 1)]
