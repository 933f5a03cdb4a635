"""What a small machine needs: memory and seconds of `rag serve`, for each reader and arithmetic.

    python -m eval.bench.memory --index INDEX QUESTION... --out FILE

For each profile a service is started on INDEX with one thread. Measured are its resident memory
when it is idle, at its highest while it answers, and afterwards, each with the part that is its own
(RssAnon; the rest are mapped files, which the system can drop); the median seconds of a question,
each asked twice, after one that warms it up; and the processor seconds of a cold `rag ask`.
"""

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import click
import httpx

from eval.scripts import OUT, PATH, finished, load, machine, mib, script

PROFILES = ("accurate:auto", "accurate:fp32", "accurate:int8", "fast:fp32", "fast:int8")
_START_SECONDS, _IDLE_SECONDS = 300.0, 5.0
_ROUNDS = 2


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _environment(profile: str, index: Path) -> dict[str, str]:
    reader, _, precision = profile.partition(":")
    settings = {"RAG_READER": reader, "RAG_PRECISION": precision, "RAG_INDEX": str(index)}
    return {**os.environ, **settings, "RAG_THREADS": "1", "RAG_DEADLINE_MS": "120000"}


def _memory(process: int) -> dict[str, int]:
    """Resident MiB now, its own part, and the highest so far."""
    rows = {"resident": "VmRSS", "own": "RssAnon", "peak": "VmHWM"}
    return {name: round(mib(process, row)) for name, row in rows.items()}


def _is_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    """Whether it was ready in time."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if client.get("/ready").status_code == 200:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    return False


def measure(profile: str, index: Path, questions: tuple[str, ...]) -> dict[str, Any]:
    """The row of one profile."""
    port = _free_port()
    environment = _environment(profile, index)
    command = [sys.executable, "-m", "rag", "serve", "--no-key", "--port", str(port)]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, env=environment, stderr=log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client,
    ):
        try:
            if not _is_ready(client, process):
                log.seek(0)
                raise click.ClickException(f"the service did not start: {log.read().decode()}")
            time.sleep(_IDLE_SECONDS)
            idle_mib = _memory(process.pid)
            seconds = []
            processor_seconds = []
            for number, question in enumerate((questions[0], *questions * _ROUNDS)):
                started = time.perf_counter()
                seconds_before = _processor(process.pid)
                client.post("/v1/ask", json={"question": question}).raise_for_status()
                if number:  # the first one warms it up
                    seconds.append(time.perf_counter() - started)
                    processor_seconds.append(_processor(process.pid) - seconds_before)
            asked_mib = _memory(process.pid)
        finally:
            process.terminate()
    return {
        "profile": profile,
        "idle_mib": idle_mib,
        "asked_mib": asked_mib,
        "median_s": round(median(seconds), 2),
        "median_processor_s": round(median(processor_seconds), 2),
        "cold_ask_processor_s": _cold(environment, questions[0]),
    }


def _processor(process: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cold(environment: dict[str, str], question: str) -> float:
    """Processor seconds of `rag ask` in a process of its own."""
    usage_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "rag", "ask", question], env=environment, capture_output=True
    )
    usage_after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user = usage_after.ru_utime - usage_before.ru_utime
    system = usage_after.ru_stime - usage_before.ru_stime
    return round(user + system, 2)


@script(__doc__)
@click.argument("questions", nargs=-1, required=True)
@click.option("--index", type=PATH, required=True, help="Index to serve.")
@click.option("--profile", "profiles", multiple=True, help="READER:PRECISION; default: several.")
@OUT
def main(questions: tuple[str, ...], index: Path, profiles: tuple[str, ...], out: Path) -> None:
    rows = []
    for profile in profiles or PROFILES:
        rows.append(measure(profile, index.absolute(), questions))
        click.echo(rows[-1], err=True)  # a long run may be stopped
    finished({"machine": machine(), "load": load(), "rows": rows}, out)


if __name__ == "__main__":
    main()
