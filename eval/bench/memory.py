"""Memory over time of this process and its children."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 720, 300, 60, 40
_MOST_POINTS = 700


class Memory(threading.Thread):
    """Resident megabytes of this process (`own`) and of its children together (`readers`), each
    second until `stop`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own: list[int] = []
        self.readers: list[int] = []
        self.marks: list[tuple[int, str]] = []
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(1.0):
            self.own.append(_resident(os.getpid()))
            children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
            self.readers.append(
                sum(_resident(int(pid)) for path in children for pid in _read(path).split())
            )

    def mark(self, what: str) -> None:
        self.marks.append((len(self.own), what))

    def stop(self) -> None:
        self._done.set()
        self.join()

    def svg(self) -> str:
        """Both lines, from 0, over seconds."""
        most, seconds = max([*self.own, *self.readers, 1]), max(len(self.own) - 1, 1)
        top = -(-most // 100) * 100

        def x(second: float) -> float:
            return _LEFT + (_WIDTH - _LEFT - 10) * second / seconds

        def y(megabytes: float) -> float:
            return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - 20) * megabytes / top

        shown = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'font-family="sans-serif" font-size="11">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        ]
        for value in range(0, top + 1, top // 4):
            shown.append(f'<path d="M{_LEFT} {y(value):.1f}H{_WIDTH - 10}" stroke="#ddd"/>')
            shown.append(
                f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,} '
                f"MB</text>"
            )
        for value in (seconds * n // 4 for n in range(5)):
            shown.append(
                f'<text x="{x(value):.1f}" y="{_HEIGHT - 22}" text-anchor="middle">{value:,} '
                f"s</text>"
            )
        for second, what in self.marks:
            shown.append(
                f'<path d="M{x(second):.1f} 20V{_HEIGHT - _BOTTOM}" stroke="#888" '
                f'stroke-dasharray="3"/>'
            )
            shown.append(
                f'<text x="{x(second) - 4:.1f}" y="16" text-anchor="end" fill="#555">{what}</text>'
            )
        for n, (name, colour, values) in enumerate(
            (
                ("ingesting process", "#1f5fa8", self.own),
                ("readers together", "#c0561f", self.readers),
            )
        ):
            step = max(1, len(values) // _MOST_POINTS)
            points = " ".join(
                f"{x(at):.1f},{y(max(values[at : at + step])):.1f}"
                for at in range(0, len(values), step)
            )
            shown.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
            shown.append(
                f'<text x="{_LEFT + 130 * n}" y="{_HEIGHT - 6}" fill="{colour}">{name}</text>'
            )
        return "\n".join([*shown, "</svg>", ""])


def _resident(pid: int) -> int:
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") >> 20 if fields else 0


def _read(path: Path) -> str:
    """0 for a process that has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def bars(values: Sequence[int], width: int = 60) -> str:
    """A line of bars from 0, each the maximum of its interval."""
    if not values:
        return "(too short)"
    stretches = [
        values[len(values) * n // width : len(values) * (n + 1) // width] for n in range(width)
    ]
    most = max(values)
    drawn = "".join(
        _BARS[-(-max(stretch) * (len(_BARS) - 1) // max(most, 1))]
        for stretch in stretches
        if stretch
    )
    return f"{drawn}  most {most:,}, at the end {values[-1]:,}"
