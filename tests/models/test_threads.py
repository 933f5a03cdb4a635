"""The number of threads, and that they do not spin while they wait."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.models.threads import available_cores, model_threads, prepare, quota

CORES = available_cores(Path("/nowhere"))
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "KMP_BLOCKTIME")


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def v2(root: Path, group: str, **limits: str) -> Path:
    """A cgroup v2 tree with `limits` of the mount ("top") and of groups, by name."""
    files = {
        f"sys/fs/cgroup/{name.replace('__', '/')}/cpu.max": text
        for name, text in limits.items()
        if name != "top"
    }
    files |= {"sys/fs/cgroup/cpu.max": limits["top"]} if "top" in limits else {}
    return tree(root, {"proc/self/cgroup": f"0::{group}\n", **files})


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({"top": "max 100000"}, math.inf),
        ({"top": "150000 100000"}, 1.5),
        ({"a": "max 100000", "a__b": "50000 100000"}, 0.5),
        ({"a": "100000 100000", "a__b": "400000 100000"}, 1),  # a parent group's limit applies, too
        ({"top": "nonsense"}, math.inf),
        ({"top": "100000 0"}, math.inf),
        ({}, math.inf),
    ],
)
def test_a_quota_of_cgroup_v2_is_read(tmp_path: Path, limits: dict[str, str], cores: float) -> None:
    assert quota(v2(tmp_path, "/a/b", **limits)) == cores


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["", "docker/ab12"])
def test_a_quota_of_cgroup_v1_is_read(tmp_path: Path, mount: str, group: str) -> None:
    folder = f"sys/fs/cgroup/{mount}/{group}"
    files = {f"{folder}/cpu.cfs_quota_us": "200000\n", f"{folder}/cpu.cfs_period_us": "100000\n"}
    lines = f"4:memory:/elsewhere\n3:cpuset:/\n1:{mount}:/docker/ab12\n0::/\n"
    assert quota(tree(tmp_path, {"proc/self/cgroup": lines, **files})) == 2


def test_no_quota_of_cgroup_v1_is_no_limit(tmp_path: Path) -> None:
    files = {"cfs_quota_us": "-1", "cfs_period_us": "100000"}
    files = {f"sys/fs/cgroup/cpu/cpu.{name}": text for name, text in files.items()}
    assert quota(tree(tmp_path, {"proc/self/cgroup": "1:cpu:/\n", **files})) == math.inf


def test_a_group_of_another_namespace_is_ignored(tmp_path: Path) -> None:
    tree(tmp_path, {"cpu.max": "100000 100000"})
    assert quota(v2(tmp_path, "/../..", top="max 100000")) == math.inf


def test_cores_are_those_of_affinity_and_quota(tmp_path: Path) -> None:
    assert available_cores(v2(tmp_path, "/", top="10000 100000")) == 1
    assert available_cores(v2(tmp_path, "/", top="110000 100000")) == min(2, CORES)
    assert available_cores(v2(tmp_path, "/", top="max 100000")) == CORES


def test_threads_come_from_the_setting_the_environment_or_the_cores(tmp_path: Path) -> None:
    assert model_threads(5, {"OMP_NUM_THREADS": "3"}) == 5
    assert model_threads(0, {"OMP_NUM_THREADS": "3"}) == 3
    assert model_threads(0, {"OMP_NUM_THREADS": "4,2"}, v2(tmp_path, "/", top="10000 100000")) == 1
    assert model_threads(0, {}, tmp_path / "nowhere") == CORES


def test_user_variables_are_unchanged(tmp_path: Path) -> None:
    limited = v2(tmp_path, "/", top="10000 100000")
    for set_by_user in ({"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "100"}):
        environ = {**set_by_user, "OMP_NUM_THREADS": "7"}
        prepare(environ, limited)
        assert environ == {**set_by_user, "OMP_NUM_THREADS": "7"}
    environ = {}
    prepare(environ, limited)
    assert environ == {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    environ = {}
    prepare(environ, tmp_path / "nowhere")
    assert environ == {"OMP_WAIT_POLICY": "PASSIVE"}


def in_a_process(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Python's output in a process without variables of OpenMP, except `environ`."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment | environ, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize("module", ["rag.cli.main", "rag.parsing.worker", "rag.build"])
def test_threads_yield_from_the_first_import(module: str) -> None:
    """This includes parser processes, and must happen before torch reads the variables."""
    expression = "os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules"
    code = f"import os, sys, {module}; print({expression})"
    assert in_a_process(code).stdout == "PASSIVE False\n"


@pytest.mark.slow
def test_openmp_obeys_the_variables() -> None:
    """GNU's OpenMP prints its settings when torch loads it, after rag."""
    printed = in_a_process("import rag, torch", OMP_DISPLAY_ENV="VERBOSE").stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in printed
    assert "GOMP_SPINCOUNT = '0'" in printed
