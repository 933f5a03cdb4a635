"""The results of eval.bench.scale as a table on standard output and a plot with logarithmic axes:

python -m eval.bench.scale_plot eval/results/scale.json eval/results/scale.svg
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.errors import InputError

Row = Mapping[str, Any]
_MIB = 1 << 20


def _legs(name: str) -> Callable[[Row], str]:
    return lambda row: f"{row[name]['p50']:.1f} / {row[name]['p95']:.1f}"


def _bytes(row: Row) -> str:
    return " + ".join(
        f"{row['bytes'][part] / _MIB:,.0f}" for part in ("sqlite", "vectors", "lexical")
    )


def _ask(row: Row) -> str:
    return f"{row['ask_ms']['p50']:.0f} / {row['ask_ms']['p95']:.0f}" if "ask_ms" in row else ""


COLUMNS: dict[str, Callable[[Row], str]] = {
    "passages": lambda row: f"{row['passages']:,}",
    "of them real": lambda row: f"{row['real']:,}",
    "dense index": lambda row: row["kind"],
    "filled, s": lambda row: f"{row['fill_s']:,.0f}",
    "open, s": lambda row: f"{row['open_s']:.2f}",
    "resident, own + mapped, MiB": lambda row: " + ".join(
        str(row["resident_mib"]["searched"][p]) for p in ("own", "mapped")
    ),
    "dense, ms p50 / p95": _legs("dense_ms"),
    "lexical": _legs("lexical_ms"),
    "retrieval": _legs("retrieval_ms"),
    "recall@10": lambda row: f"{row['recall@10']:.3f}",
    "add": _legs("add_ms"),
    "delete": _legs("delete_ms"),
    "ask": _ask,
    "disk: SQLite + vectors + full text, MiB": _bytes,
    "load": lambda row: f"{row['load']:.0f}",
}
LINES = {
    "dense": "dense_ms",
    "lexical": "lexical_ms",
    "retrieval": "retrieval_ms",
    "add": "add_ms",
    "delete": "delete_ms",
    "ask": "ask_ms",
}


def table(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(cell(row) for cell in COLUMNS.values()) + " |" for row in rows]
    return "\n".join(lines)


def plot(rows: Sequence[Row], out: Path) -> None:
    """Medians, with 95th percentiles as a band above them. Raises InputError without matplotlib."""
    try:
        import matplotlib.pyplot as pyplot
    except ModuleNotFoundError as error:
        raise InputError(
            "the plot needs matplotlib, which is not installed",
            "run: pip install 'matplotlib>=3.9'",
        ) from error
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, key in LINES.items():
        there = [row for row in rows if key in row]
        sizes = [row["passages"] for row in there]
        (line,) = axes.loglog(sizes, [row[key]["p50"] for row in there], marker="o", label=name)
        low, high = ([row[key][part] for row in there] for part in ("p50", "p95"))
        axes.fill_between(sizes, low, high, alpha=0.12, color=line.get_color())
    axes.set(xlabel="passages", ylabel="milliseconds: median, and up to the 95th percentile")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.tight_layout()
    figure.savefig(out)


def main() -> None:
    rows = json.loads(Path(sys.argv[1]).read_text())
    print(table(rows))
    if len(sys.argv) > 2:
        try:
            plot(rows, Path(sys.argv[2]))
        except InputError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
