"""Whatever happens to the search indexes' files, the store opens and both retrievers work."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.store.local.integrity import examine
from tests.store.helpers import Worker, both, by_lexical, local, put_text
from tests.store.local.disks import read_only
from tests.store.local.filled import ALL, filled_index

Damage = Callable[[Path], None]


@pytest.fixture(autouse=True)
def every_change_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.indexes._MOST_BEHIND", 0)


def derived(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "rag.sqlite" not in path.name]


def segments(folder: Path, suffix: str) -> list[Path]:
    files = list((folder / "lexical").glob(f"*.{suffix}"))
    assert files
    return files


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path, offset: int | None = None) -> None:
    """Change bytes in place, so that a process that has mapped the file never sees it shortened."""
    content = path.read_bytes()
    place = len(content) // 2 if offset is None else offset
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes([content[place] ^ 0xFF]))


def write(folder: Path, name: str, content: bytes) -> None:
    remove(folder / name)
    (folder / name).write_bytes(content)


def remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink()
    while path.exists():  # a Tantivy thread may have just created a lock file
        shutil.rmtree(path, ignore_errors=True)


def without_indexes(folder: Path) -> None:
    for path in others(folder):
        remove(path)


def segment(harm: Callable[[Path], None], suffix: str) -> Damage:
    def damage(folder: Path) -> None:
        for path in segments(folder, suffix):
            harm(path)

    return damage


def of_another(folder: Path, *names: str) -> None:
    other_index = filled_index(folder.parent / "other", {"x", "y", "z"})
    for name in names:
        remove(folder / name)
        shutil.move(other_index / name, folder / name)


KINDS = ["idx", "term", "fast", "fieldnorm", "json"]
"""Endings of a segment's files."""
DAMAGES: dict[str, Damage] = {
    "no vectors": lambda folder: remove(folder / "vectors.faiss"),
    "half the vectors": lambda folder: truncate(folder / "vectors.faiss"),
    "empty vectors": lambda folder: write(folder, "vectors.faiss", b""),
    "garbage for vectors": lambda folder: write(folder, "vectors.faiss", b"garbage" * 99),
    "a bit of a vector": lambda folder: flip(folder / "vectors.faiss"),
    "no lexical": lambda folder: remove(folder / "lexical"),
    "a file for lexical": lambda folder: write(folder, "lexical", b"x"),
    "garbage for Tantivy's list": lambda folder: write(folder, "lexical/.managed.json", b"x"),
    "no manifest": lambda folder: remove(folder / "derived.json"),
    "garbage for a manifest": lambda folder: write(folder, "derived.json", b"\x00\xff{"),
    "a list for a manifest": lambda folder: write(folder, "derived.json", b"[1]"),
    "no files in the manifest": lambda folder: rewrite(folder, files=None),
    "an older format": lambda folder: rewrite(folder, format="1"),
    "all of another store": lambda folder: of_another(
        folder, "derived.json", "vectors.faiss", "lexical"
    ),
    "vectors of another store": lambda folder: of_another(folder, "vectors.faiss"),
    "lexical of another store": lambda folder: of_another(folder, "lexical"),
    "nothing but the truth": without_indexes,
    **{f"truncated .{kind}": segment(truncate, kind) for kind in KINDS},
    **{f"a bit of .{kind}": segment(flip, kind) for kind in KINDS},
    **{f"no .{kind}": segment(Path.unlink, kind) for kind in ("idx", "term", "json")},
}


def others(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if "rag.sqlite" not in path.name]


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "derived.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_repaired_with_a_warning(
    folder: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    DAMAGES[case](folder)
    assert [finding.derived for finding in examine(folder) if not finding.ok]
    caplog.clear()
    store = local(folder)
    assert both(store, "sardines") == [ALL, ALL]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(folder) in caplog.text
    assert all(finding.ok for finding in examine(folder))
    store.close()
    caplog.clear()
    store = local(folder)
    put_text(store, "d", "Sardines sleep.")
    store.delete("a")
    assert both(store, "sardines") == [{"b", "c", "d"}] * 2
    store.close()
    assert both(local(folder), "sardines") == [{"b", "c", "d"}] * 2
    assert not caplog.records


def test_mere_reopening_writes_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def written() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in derived(folder)}

    files = written()
    store = local(folder)
    assert both(store, "sardines") == [ALL, ALL]
    store.close()
    assert written() == files
    assert not caplog.records


def test_only_changes_are_indexed_again(folder: Path) -> None:
    first_segments = {path.name for path in segments(folder, "idx")}
    store = local(folder)
    put_text(store, "d", "Sardines sleep.")  # and the process ends before searching
    store.close()
    assert both(local(folder), "sardines") == [ALL | {"d"}] * 2
    assert first_segments < {path.name for path in segments(folder, "idx")}


def test_older_search_indexes_are_updated(folder: Path) -> None:
    backup = shutil.copytree(folder, folder.parent / "backup")
    store = local(folder)
    store.delete("a")
    put_text(store, "b", "Trees grow.")
    with store.writing():
        put_text(store, "d", "Sardines sleep.")
    store.close()
    without_indexes(folder)
    for path in others(backup):
        shutil.move(path, folder / path.name)
    assert both(local(folder), "sardines") == [{"b", "c", "d"}, {"c", "d"}]


def test_a_database_restored_from_a_backup_is_followed(folder: Path) -> None:
    backup = shutil.copy(folder / "rag.sqlite", folder.parent / "backup")
    store = local(folder)
    with store.writing():
        store.delete("a")
        put_text(store, "d", "Sardines sleep.")
    store.close()
    shutil.copy(backup, folder / "rag.sqlite")
    store = local(folder)
    assert both(store, "sardines") == [ALL, ALL]
    put_text(store, "e", "Sardines eat.")
    assert both(store, "sardines") == [ALL | {"e"}] * 2


@pytest.mark.parametrize("case", ["no lexical", "truncated .json", "no manifest"])
def test_files_deleted_while_open_are_rebuilt(folder: Path, case: str) -> None:
    store = local(folder)
    DAMAGES[case](folder)
    with store.writing():
        put_text(store, "d", "Sardines sleep.")
    assert both(store, "sardines") == [ALL | {"d"}] * 2
    assert both(local(folder), "sardines") == [ALL | {"d"}] * 2


def test_damage_while_open_is_not_signed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = local(folder)
    for path in segments(folder, "idx"):
        flip(path, offset=1)
    with store.writing():
        put_text(store, "d", "Sardines sleep.")
    store.close()
    assert both(local(folder), "sardines") == [ALL | {"d"}] * 2
    assert "has changed since it was written" in caplog.text


def test_broken_files_during_a_write_are_replaced_in_memory(folder: Path) -> None:
    with Worker(folder) as writer:
        writer.ask("begin")
        DAMAGES["no vectors"](folder)
        DAMAGES["no lexical"](folder)
        reader = local(folder)
        assert both(reader, "sardines") == [ALL, ALL]
        writer.ask("put", "d", "Sardines sleep.")
        assert both(reader, "sardines") == [ALL | {"d"}] * 2
        writer.ask("end")
        writer.ask("delete", "a")
        assert both(reader, "sardines") == [{"b", "c", "d"}] * 2
        assert both(local(folder), "sardines") == [{"b", "c", "d"}] * 2


def test_a_rebuilt_index_is_followed_by_open_processes(folder: Path) -> None:
    with Worker(folder) as second_process:
        assert second_process.ask("both", "sardines") == [sorted(ALL)] * 2
        (folder / "derived.json").unlink()
        store = local(folder)
        assert second_process.ask("both", "sardines") == [sorted(ALL)] * 2
        put_text(store, "d", "Sardines sleep.")
        store.delete("a")
        assert second_process.ask("both", "sardines") == [["b", "c", "d"]] * 2
        second_process.ask("delete", "b")
        assert both(store, "sardines") == [{"c", "d"}] * 2


def test_no_old_segment_files_remain(folder: Path) -> None:
    """An open Tantivy index does not know, so never removes, another process's segments."""
    store = local(folder)
    with Worker(folder) as writer:
        for n in range(3):
            writer.ask("put", f"other-{n}", "Sardines swim.")
            writer.ask("both", "sardines")
    for n in range(6):
        put_text(store, f"mine-{n}", "Sardines swim.")
        assert len(by_lexical(store, "sardines")) == 3 + 3 + n + 1
    listed = json.loads((folder / "lexical" / "meta.json").read_text())["segments"]
    segment_ids = {segment["segment_id"].replace("-", "") for segment in listed}
    assert len(segment_ids) < 8  # they have been merged
    assert {path.name.split(".")[0] for path in segments(folder, "idx")} == segment_ids


@pytest.mark.parametrize("case", ["nothing but the truth", "no vectors", "a bit of .idx"])
def test_broken_read_only_files_are_replaced_in_memory(folder: Path, case: str) -> None:
    DAMAGES[case](folder)
    contents = {path: path.read_bytes() for path in derived(folder)}
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.ask("both", "sardines") == [sorted(ALL)] * 2
    assert {path: path.read_bytes() for path in derived(folder)} == contents
