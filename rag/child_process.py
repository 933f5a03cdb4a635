"""Starts modules of this package in processes of their own, which read files of strangers.

Such a process imports nothing from the working folder, has none of this process's secrets in its
environment, and has limits on memory and CPU time. Where the system allows it, it has no network,
and it ends with the thread that started it.

    python -P -m rag.child_process MODULE MEMORY_MB SECONDS ARGUMENT…
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""Flags of Linux's unshare(2)."""
_SET_PARENT_DEATH_SIGNAL = 1
"""An operation of Linux's prctl(2)."""


def start(
    module: str,
    *arguments: str,
    memory: int,
    seconds: int = 0,
    stderr: int | IO[Any] = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start `module.main(arguments)` in a new process, with pipes to its input and output.

    `memory` limits its megabytes beyond those of its imports, `seconds` its CPU time unless 0.
    """
    command = [sys.executable, "-P", "-m", __name__, module, str(memory), str(seconds), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=stderr, env=environment(), start_new_session=True
    )


def run(
    module: str, *arguments: str, data: bytes, memory: int, seconds: int
) -> subprocess.CompletedProcess[bytes]:
    """Run `module.main(arguments)` on `data`. Raises subprocess.TimeoutExpired after `seconds`."""
    process = start(module, *arguments, memory=memory, seconds=seconds)
    with process:
        try:
            output, _ = process.communicate(data, timeout=seconds)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def environment() -> dict[str, str]:
    """The environment of a child: what a program needs to start, and where this package lies."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    paths = [str(Path(__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    paths = [path for path in dict.fromkeys(paths) if Path(path).is_absolute()]
    return {**inherited, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}


def leave_network() -> bool:
    """Move this process to a network without interfaces; False if the system forbids it."""
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (AttributeError, OSError, TypeError):  # not Linux
        return False
    return any(unshare(flags) == 0 for flags in (_NEW_NETWORK, _NEW_USER | _NEW_NETWORK))


def end_with_parent() -> None:
    """Let the system kill this process when the thread that started it ends, if it supports it."""
    with suppress(AttributeError, OSError, TypeError):  # not Linux
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def limit_memory(megabytes: int) -> None:
    """Limit the address space above current use, if the system supports it."""
    with suppress(AttributeError, OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (megabytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def limit_time(seconds: int) -> None:
    """Limit CPU time above current use, if the system supports it."""
    with suppress(AttributeError, OSError, ValueError):
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        soft = int(usage.ru_utime + usage.ru_stime) + seconds + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def add_time(seconds: int) -> None:
    """Raise the limit that `limit_time` has set."""
    with suppress(AttributeError, OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if soft != resource.RLIM_INFINITY:
            resource.setrlimit(resource.RLIMIT_CPU, (soft + seconds, hard))


def main(arguments: Sequence[str]) -> None:
    module, memory, seconds, *remaining = arguments
    leave_network()  # first: a user namespace is refused to a process with threads
    end_with_parent()  # after the change of namespaces, which would undo it
    with suppress(AttributeError, OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no dump of memory
    child = importlib.import_module(module)
    limit_memory(int(memory))
    if int(seconds):
        limit_time(int(seconds))
    child.main(remaining)


if __name__ == "__main__":
    main(sys.argv[1:])
