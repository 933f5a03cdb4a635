"""What the installed extras cost a command that does not use them:

    python -m eval.bench.extras --out eval/results/extras.json

Runs `rag ask --help`, `rag ask` and `rag serve` on the shipped models over a small index, in turn
as installed and with all packages of the extras hidden from import. Reports the CPU seconds, which
other programs hardly disturb, until the command ends or the service has given its first answer, and
the resident MiB: a command's peak, and the service's at that time. Needs Linux, and the extras to
measure.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from eval.chaos.programs import cpu_seconds
from eval.chaos.servers import running

ROOT = Path(__file__).parents[2]
EXTRAS = (
    "mcp openai langchain langchain_core langchain_openai llama_index opentelemetry.sdk "
    "opentelemetry.exporter onnxruntime rapidocr psycopg psycopg_pool pgvector procrastinate docx "
    "pptx openpyxl defusedxml watchfiles"
).split()
"""Modules. FastAPI itself requires the rest of `opentelemetry`."""
QUESTION = "Who led the talks?"
TEXT = "Oman hosted the secret talks. The talks were led by William Burns in Muscat."
_RAG = "from rag.cli.main import main\nmain()\n"
_HIDDEN = f"""
import sys
from importlib.machinery import PathFinder

class Rest(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {EXTRAS!r} else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Rest
"""
WAYS = {"with_extras": _RAG, "without": _HIDDEN + _RAG}


def command(code: str, environment: dict[str, str], *arguments: str) -> tuple[float, float]:
    """(CPU seconds, peak MiB) of `rag ARGUMENTS`, run by `code`. Raises SystemExit if it fails."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"rag {' '.join(arguments)} failed with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def service(code: str, environment: dict[str, str]) -> tuple[float, float]:
    """(CPU seconds, MiB) of `rag serve` after its first answer."""
    with running(["-c", code, "serve", "--no-key"], environment) as served:
        url = f"{served.url}/v1/ask"
        asked = httpx.post(url, json={"question": QUESTION}, timeout=60, trust_env=False)
        assert asked.json()["answer"] == "William Burns", asked.text
        return cpu_seconds(served.pid), served.resident_mib


def measured(index: Path, rounds: int) -> dict[str, Any]:
    """The median, lowest and highest of each command, both ways in turn."""
    environment = {**os.environ, "RAG_INDEX": str(index), "RAG_THRESHOLD": "0"}
    runs: dict[str, Callable[[str], tuple[float, float]]] = {
        "rag ask --help": lambda code: command(code, environment, "ask", "--help"),
        "rag ask": lambda code: command(code, environment, "ask", QUESTION),
        "rag serve": lambda code: service(code, environment),
    }
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for name, run in runs.items():
            for way, code in WAYS.items():
                found[name][way].append(run(code))
    return {
        name: {way: _spread(each) for way, each in ways.items()} for name, ways in found.items()
    }


def _spread(each: list[tuple[float, float]]) -> dict[str, list[float]]:
    return {
        unit: [round(of(values), 2) for of in (statistics.median, min, max)]
        for unit, values in zip(("cpu_seconds", "mib"), zip(*each, strict=True), strict=True)
    }


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as folder:
        document, index = Path(folder, "oman.txt"), Path(folder, "index")
        document.write_text(TEXT)
        command(_RAG, dict(os.environ), "ingest", str(document), "--index", str(index))
        result = {
            "installed": [name for name in EXTRAS if find_spec(name)],
            "rounds": arguments.rounds,
            "median, lowest, highest": measured(index, arguments.rounds),
        }
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
