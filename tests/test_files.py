"""A lock never brings back the folder that was moved away."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from rag.files import acquire_lock


class MovedMeanwhile(FileLock):
    """Its folder is moved between the look at the folder and the lock."""

    def acquire(self, *arguments: Any, **options: Any) -> Any:
        folder = Path(self.lock_file).parent
        shutil.move(folder, folder.with_name("moved"))
        return super().acquire(*arguments, **options)


def test_a_lock_is_acquired_in_a_folder_that_exists(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    acquire_lock(lock, timeout=1)
    assert lock.is_locked
    lock.release()


@pytest.mark.parametrize("kind", [FileLock, MovedMeanwhile])
def test_a_folder_that_is_gone_does_not_come_back(tmp_path: Path, kind: type[FileLock]) -> None:
    folder = tmp_path / "index"
    if kind is MovedMeanwhile:
        folder.mkdir()
    lock = kind(folder / "lock", is_singleton=False)
    with pytest.raises(FileNotFoundError):
        acquire_lock(lock, timeout=1)
    assert not lock.is_locked
    assert not folder.exists()
