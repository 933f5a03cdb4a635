"""Failing disks, as mounts that only one command sees."""

import shutil
import subprocess
from pathlib import Path

import pytest


def read_only(folder: Path) -> list[str]:
    """Prefix of a command for which `folder` is read-only, even as root; may skip the test."""
    mount = f'mount --bind "{folder}" "{folder}" && mount -o remount,ro,bind "{folder}"'
    return _unshared(f'{mount} && exec "$@"')


def _unshared(script: str) -> list[str]:
    command = ["unshare", "-m", "sh", "-c", script, "sh"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*command, "true"], capture_output=True).returncode
    ):
        pytest.skip("this system does not let a test mount")
    return command


def small_disk(folder: Path, kilobytes: int) -> list[str]:
    """Prefix of a command for which `folder` is a disk of this size, with its former content."""
    steps = [
        f'rm -rf "{folder}.copy" && cp -a "{folder}" "{folder}.copy"',
        f'mount -t tmpfs -o size={kilobytes}k tmpfs "{folder}"',
        f'cp -a "{folder}.copy/." "{folder}"',
    ]
    return _unshared(" && ".join([*steps, 'exec "$@"']))
