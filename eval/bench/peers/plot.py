"""Plots quality against latency, one point per system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plot(figures: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """An SVG file: milliseconds per question (p50, logarithmic) and F1 over the questions with an
    answer."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.5, 4))
    for name, found in figures.items():
        if "alone" in found and "quality" in found:
            x, y = found["alone"]["p50"], found["quality"]["f1"]
            axes.scatter(x, y, s=60, color="tab:red" if name == "ours" else "tab:gray")
            axes.annotate(name, (x, y), xytext=(7, 5), textcoords="offset points")
    axes.set(
        xscale="log",
        xlabel="milliseconds per question, p50 (lower is better)",
        ylabel="F1, answerable questions",
    )
    axes.margins(0.2)
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)
