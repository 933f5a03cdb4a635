"""Disks that refuse, made with mounts that only the command sees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def read_only(folder: Path) -> list[str]:
    """The start of a command that sees `folder` mounted for reading only, as root too; skips where
    that is not possible.
    """
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
    """The start of a command for which `folder` is a disk of that size; what stands in `folder` is
    copied onto it.
    """
    steps = [
        f'rm -rf "{folder}.copy" && cp -a "{folder}" "{folder}.copy"',
        f'mount -t tmpfs -o size={kilobytes}k tmpfs "{folder}"',
        f'cp -a "{folder}.copy/." "{folder}"',
    ]
    return _unshared(" && ".join([*steps, 'exec "$@"']))
