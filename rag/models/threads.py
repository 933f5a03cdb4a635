"""Model threads: how many cores there really are, and how to keep waiting threads from burning CPU.

Two defaults are harmful. OpenMP threads spin for milliseconds at the end of each parallel region;
if another process occupies a core, a thread spins until its partner is scheduled again, and one
question costs several times the CPU time. And `sched_getaffinity` does not see a container's CPU
quota, so 64 threads share two cores.

GNU's OpenMP (used by torch and FAISS on Linux) reads its variables once, when it is loaded, so
`prepare` must run before torch is imported; `rag/__init__.py` sees to that.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables that control how GNU OpenMP threads wait; values set by the user take precedence."""
COUNT = "OMP_NUM_THREADS"
_ROOT = Path("/")


def prepare(environ: MutableMapping[str, str], root: Path = _ROOT) -> None:
    """Set the OpenMP variables that are not set; without effect once torch is imported."""
    if not any(environ.get(name) for name in WAITING):
        environ["OMP_WAIT_POLICY"] = "PASSIVE"
    # libgomp respects affinity itself, but not a quota
    if not environ.get(COUNT) and quota(root) < math.inf:
        environ[COUNT] = str(available_cores(root))


def available_cores(root: Path = _ROOT) -> int:
    """Cores that this process may use at once, at least 1, by affinity and CPU quota (cgroup v1 and
    v2).

    A quota of 1.5 cores counts as 2, as in Go and Java, so that the threads can use all of it.
    """
    return max(1, min(_allowed(), math.ceil(min(quota(root), 1e6))))


def model_threads(setting: int, environ: MutableMapping[str, str], root: Path = _ROOT) -> int:
    """Threads for torch: `setting` if not 0, else OMP_NUM_THREADS, else all available cores."""
    if setting:
        return setting
    count = environ.get(COUNT, "")
    if count.isdecimal() and int(count):
        return int(count)
    return available_cores(root)


def quota(root: Path = _ROOT) -> float:
    """CPU quota of this process's control groups in cores; `math.inf` without a limit.

    Limits of parent groups count too. `root` contains /proc and /sys.
    """
    folder = root / "sys/fs/cgroup"
    limits = [math.inf]
    for line in _text(root / "proc/self/cgroup").splitlines():  # see cgroups(7)
        _, _, membership = line.partition(":")
        controllers, _, path = membership.partition(":")
        if not controllers:
            for group in _upwards(folder, path):
                allowed, _, period = _text(group / "cpu.max").strip().partition(" ")
                limits.append(_ratio(allowed, period))
        elif "cpu" in controllers.split(","):
            for mount in (controllers, "cpu"):
                for group in _upwards(folder / mount, path):
                    allowed = _text(group / "cpu.cfs_quota_us")
                    period = _text(group / "cpu.cfs_period_us")
                    limits.append(_ratio(allowed, period))
    return min(limits)


def _allowed() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity
        return os.cpu_count() or 1


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The group's folder and parents up to the mount; in a container perhaps only the mount."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:count])


def _ratio(allowed: str, period: str) -> float:
    """Quota in cores; "max", -1 and unreadable values mean no limit."""
    try:
        cores = int(allowed) / int(period)
    except (ValueError, ZeroDivisionError):
        return math.inf
    return cores if cores > 0 else math.inf


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
