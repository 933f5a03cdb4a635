"""Shared by the scripts: options, folders, measures of time and memory, and results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

ROOT = Path(__file__).parents[1]
GOLD = ROOT / "eval/gold"
Result = TypeVar("Result")


def options(
    document: str | None, arguments: Sequence[str] | None, /, *names: str, **defaults: Any
) -> argparse.Namespace:
    """The arguments of a script, which its docstring describes: positional ones by name, with "?",
    "*" or "+" for how many; then an option for each default, of its type: a flag for False, a path
    for None, one that must be given for Path. Every script has --seed and --out, a file for the
    result.
    """
    parser = argparse.ArgumentParser(
        description=document, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in names:
        nargs: Any = name[-1] if name[-1] in "?*+" else None
        parser.add_argument(name.rstrip("?*+"), nargs=nargs)
    for name, default in {"seed": 1, "out": None, **defaults}.items():
        flag = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(flag, action="store_true")
        elif default is Path:
            parser.add_argument(flag, type=Path, required=True)
        elif isinstance(default, list):
            parser.add_argument(flag, type=type(default[0]), nargs="*", default=default)
        else:
            kind = Path if default is None else type(default)
            parser.add_argument(flag, type=kind, default=default)
    return parser.parse_args(arguments)


def finished(result: Result, out: Path | None, wrong: object = None) -> Result:
    """Print the result, and write it to the file if one is named. Exits with status 1 if something
    is wrong.
    """
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if out:
        out.write_text(f"{text}\n", encoding="utf-8")
    if wrong:
        raise SystemExit(1)
    return result


def milliseconds(seconds: Sequence[float], *shares: int) -> dict[str, float]:
    """Percentiles of times, in milliseconds: the 50th, the 95th and `shares`; {} without times."""
    shares = (50, 95, *shares) if seconds else ()
    return {f"p{share}": round(1000 * float(np.percentile(seconds, share)), 2) for share in shares}


def load() -> float:
    """The mean load of the machine in the last minute."""
    return round(os.getloadavg()[0], 1)


def mib(process: int | str, row: str = "VmRSS") -> float:
    """Memory of a process, as its status in /proc says; 0 after its end."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(rf"{row}:\s+(\d+) kB", status)
    return int(found.group(1)) / 1024 if found else 0.0


def machine() -> str:
    """The machine's processor, cores and memory, and the version of Python."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = found.group(1) if found else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"
    return f"{processor}, {cores}, Python {platform.python_version()}"
