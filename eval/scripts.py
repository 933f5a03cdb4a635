"""Shared by the scripts: their commands, folders, measures of time and memory, and results."""

import json
import os
import platform
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

ROOT = Path(__file__).parents[1]
GOLD = ROOT / "eval/gold"
PATH = click.Path(path_type=Path)
SEED = click.option("--seed", default=1, help="Seed of the random numbers.")
FAKE = click.option("--fake", is_flag=True, help="Use the tests' small models.")
CACHE = click.option("--cache", type=PATH, required=True, help="Folder of the kept readings.")
READER = click.option("--reader", default="accurate", help="Reader, as in RAG_READER.")
Result = TypeVar("Result")


class NewPath(click.Path):
    """A file or a folder that a script writes at its end. Its folder is made at the start, so that
    no measurement is lost. A folder has no suffix: with one, a file was meant.
    """

    def __init__(self, is_folder: bool = False) -> None:
        super().__init__(path_type=Path, writable=True, dir_okay=is_folder, file_okay=not is_folder)
        self._is_folder = is_folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self._is_folder and path.suffix and not path.is_dir():
            self.fail(f"{path} names a file: give the folder, such as {path.parent}", param, ctx)
        folder = path if self._is_folder else path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.fail(f"{folder} cannot be made: {error.strerror}", param, ctx)
        return path


NEW_FILE = NewPath()
OUT = click.option("--out", type=NEW_FILE, help="Also write the result to this file.")


def script(document: str | None) -> Callable[[Callable[..., Any]], click.Command]:
    """A command whose help is the docstring of its module, as it is written, and its options."""
    text = "\b\n" + (document or "").replace("\n\n", "\n\n\b\n")
    return click.command(help=text, context_settings={"show_default": True})


def finished(result: Result, file: Path | None = None, faults: object = None) -> Result:
    """Print the result, and write it to `file`. Exits with status 1 if something is wrong."""
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if file:
        file.write_text(f"{text}\n", encoding="utf-8")
    if faults:
        raise SystemExit(1)
    return result


def by_half(
    rows: Sequence[dict[str, Any]],
    summary: Callable[[Sequence[dict[str, Any]]], object],
    into: Path | None,
) -> None:
    """Print the summary of each half of the rows; with `into`, write a JSON line a row."""
    if into:
        into.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    for name in dict.fromkeys(row["half"] for row in rows):
        click.echo(f"{name}: {json.dumps(summary([row for row in rows if row['half'] == name]))}")


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
    match = re.search(rf"{row}:\s+(\d+) kB", status)
    return int(match.group(1)) / 1024 if match else 0.0


def machine() -> str:
    """The machine's processor, cores and memory, and the version of Python."""
    match = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = match.group(1) if match else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"
    return f"{processor}, {cores}, Python {platform.python_version()}"
