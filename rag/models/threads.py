"""Threads of the models: how many the machine really gives, and that they do not burn a core while
they wait.

Two things go wrong by default. OpenMP threads spin for milliseconds at the end of each parallel
region; where a core is busy with something else, a thread spins until its partner is scheduled
again, and one question costs several times the CPU time. And `sched_getaffinity` does not see a
container's CPU quota, so 64 threads share two cores.

GNU's OpenMP (torch's and FAISS's on Linux) reads its variables once, when it is loaded: `prepare`
must run before torch is imported, and `rag/__init__.py` does that. Measured by `python -m
eval.bench.busy`, results in eval/results/busy.json.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""What says how GNU's OpenMP threads wait; a person who set either of them knows best."""
COUNT = "OMP_NUM_THREADS"
_ROOT = Path("/")


def prepare(environ: MutableMapping[str, str], root: Path = _ROOT) -> None:
    """Set the OpenMP variables that are not set yet. Harmless, and without effect, once torch has
    been imported.
    """
    if not any(environ.get(name) for name in WAITING):
        environ["OMP_WAIT_POLICY"] = "PASSIVE"
    # libgomp counts affinity itself; only a quota is news to it
    if not environ.get(COUNT) and quota(root) < math.inf:
        environ[COUNT] = str(available_cores(root))


def available_cores(root: Path = _ROOT) -> int:
    """Cores that this process may use at once, at least 1: by affinity, and by CPU quota (cgroup v1
    and v2).

    A quota of 1.5 cores counts as 2, as in Go and Java: the threads together use all of it.
    """
    return max(1, min(_allowed(), math.ceil(min(quota(root), 1e6))))


def model_threads(wanted: int, environ: MutableMapping[str, str], root: Path = _ROOT) -> int:
    """Threads for torch: `wanted` unless 0, else OMP_NUM_THREADS where a person set it, else all
    available cores.
    """
    set_by_person = environ.get(COUNT, "")
    return (
        wanted or (int(set_by_person) if set_by_person.isdecimal() else 0) or available_cores(root)
    )


def quota(root: Path = _ROOT) -> float:
    """Cores' worth of CPU time that the control groups of this process allow; `math.inf` without a
    limit.

    `root` is where /proc and /sys are found. A limit of any group above counts too.
    """
    limits = [math.inf]
    for controllers, path in _groups(root):
        if controllers:  # cgroup v1
            if "cpu" in controllers.split(","):
                for mount in (controllers, "cpu"):
                    limits += map(_limit_v1, _upwards(root / "sys/fs/cgroup" / mount, path))
        else:
            limits += map(_limit_v2, _upwards(root / "sys/fs/cgroup", path))
    return min(limits)


def _allowed() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity
        return os.cpu_count() or 1


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """(controllers, path) of each hierarchy; v2 has no controllers here. See cgroups(7),
    /proc/PID/cgroup.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        yield controllers, path


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The group's folder and all above it to the mount. Inside a container the path may not exist:
    then the mount is it.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:count])


def _limit_v1(group: Path) -> float:
    return _ratio(_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us"))


def _limit_v2(group: Path) -> float:
    allowed, _, period = _text(group / "cpu.max").strip().partition(" ")
    return _ratio(allowed, period)


def _ratio(allowed: str, period: str) -> float:
    """Cores; "max", -1 and what cannot be read mean no limit."""
    try:
        found = int(allowed) / int(period)
    except (ValueError, ZeroDivisionError):
        return math.inf
    return found if found > 0 else math.inf


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
