"""Finds the files of folders, and reads their bytes."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rag.errors import InputError, NotFoundError
from rag.parsing.base import ParseError
from rag.parsing.formats import SUPPORTED, format_of
from rag.settings import OWN_FILES, is_index

MOST_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file and its document's id: the folder's name, then the path within the folder. `reason`
    says why it is not read, if that is known.
    """

    path: Path
    document_id: str
    reason: str = ""

    @property
    def why_not(self) -> str:
        """Why the file cannot be read; "" as far as that is known."""
        return self.reason or no_file(self.path)


def find(
    paths: list[Path], name: str | None = None, index: Path | None = None
) -> Iterator[FoundFile]:
    """The files under `paths`, in order; `name` replaces the folder's name in ids.

    Skips hidden files, the folder `index` and all other indexes, which contain copies of texts, and
    API keys. A link that leaves its folder is found with the reason why it is not read: whoever can
    write in a folder could otherwise add what only the reader of the files may read. A path that is
    named may be a link.

    Raises NotFoundError for a missing path, InputError for a path within an index.
    """
    index_path = os.path.realpath(index) if index else ""
    for path in paths:
        _check(path, index_path)
    for path in paths:
        root = path.resolve()
        if root.is_file():
            yield _found_file(root, root.parent, name or root.parent.name)
        else:
            yield from _walk(root, name or root.name, index_path)


def find_some(
    paths: list[Path], name: str | None = None, index: Path | None = None
) -> list[FoundFile]:
    """As `find`. Raises InputError also if there are no files."""
    files = list(find(paths, name, index))
    if files:
        return files

    named = ", ".join(str(path) for path in paths)
    hint = f"hidden files and index folders are skipped; rag ingest PATH reads {SUPPORTED}"
    raise InputError(f"no files found in {named}", hint)


def _check(path: Path, index_path: str) -> None:
    """Raises NotFoundError for a path that does not exist, and InputError for an index."""
    # Path.exists raises for names that are too long and folders without access
    if not os.path.exists(path):
        raise NotFoundError(
            f"no such file or folder: {path}",
            "check the path; rag ingest takes files and folders",
        )

    hint = "give the folder of the documents, or keep the index elsewhere with --index"
    root = path.resolve()
    if _is_index(root, index_path):
        raise InputError(f"{path} is an index folder, not a folder of documents", hint)
    if root.name in OWN_FILES and _is_index(root.parent, index_path):
        raise InputError(f"{path} is a file of the index itself, not a document", hint)


def _is_index(folder: str | Path, index_path: str) -> bool:
    """Whether a folder is an index, or the one that is to be made."""
    return str(folder) == index_path or is_index(folder)


def is_in_index(path: str, root: Path) -> bool:
    """Whether the path is in an index folder somewhere below `root`."""
    parents = Path(path).parents
    return any(root in folder.parents and is_index(folder) for folder in parents)


def _walk(root: Path, folder_name: str, index_path: str) -> Iterator[FoundFile]:
    """The files below a folder, in order, and the folders that cannot be read."""
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"folder {root} cannot be read", f"allow access: chmod u+rx {root}")

    errors: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=errors.append):
        folders[:] = _folders_to_read(folder, folders, index_path)
        links = {name for name in folders if os.path.islink(os.path.join(folder, name))}

        for name in sorted([*_visible_names(names), *links]):
            path = Path(folder, name)
            reason = _why_left(path, root) if path.is_symlink() else ""
            leads_inside = name in links and not reason
            if leads_inside:  # its target is found there
                continue
            # special files are reported later
            yield replace(_found_file(path, root, folder_name), reason=reason)

    for error in errors:  # found as well, so that it is reported instead of ignored
        yield _found_file(Path(error.filename), root, folder_name)


def _folders_to_read(folder: str, names: Iterable[str], index_path: str) -> list[str]:
    """The names of the folders in a folder, in order, without hidden ones and indexes."""
    to_read: list[str] = []
    for name in _visible_names(names):
        if not _is_index(os.path.join(folder, name), index_path):
            to_read.append(name)
    return sorted(to_read)


def _visible_names(names: Iterable[str]) -> Iterator[str]:
    """The names that are not hidden."""
    return (name for name in names if not name.startswith("."))


def _why_left(link: Path, root: Path) -> str:
    """Why a link below `root` is not followed; "" if it stays there, or leads nowhere."""
    target = Path(os.path.realpath(link))
    if target.is_relative_to(root) or not os.path.exists(target):
        return ""
    return f"is a link to {target}, outside the folder; to read it, name that path"


def _found_file(path: Path, root: Path, folder_name: str) -> FoundFile:
    """A file below `root`; bytes of its id that are not UTF-8 are written as \\xe9."""
    name = path.relative_to(root).as_posix()
    if folder_name:
        name = f"{folder_name}/{name}"
    document_id = os.fsencode(name).decode("utf-8", "backslashreplace")
    return FoundFile(path, document_id)


def read_bytes(path: Path, limit: int = MOST_BYTES) -> bytes:
    """Bytes of a file. Raises ParseError for unsupported formats and more than `limit` bytes."""
    if os.path.isdir(path):
        raise ParseError("is a folder that cannot be opened", transient=True)
    reason = no_file(path)
    if reason:
        raise ParseError(reason, transient=True)
    if str(path) != str(path).encode("utf-8", "replace").decode():
        raise ParseError("has a name that is not UTF-8; rename it")
    format_of(path.name, b"")  # do not open unsupported files
    try:
        with path.open("rb") as file:
            is_large = os.fstat(file.fileno()).st_size > limit
            content = b"" if is_large else file.read(limit + 1)
    except OSError as error:
        raise ParseError(f"cannot be read: {error.strerror}", transient=True) from error
    if is_large or len(content) > limit:
        raise ParseError(f"is larger than {limit / 1e6:,.0f} MB; raise RAG_FILE_MB to read it")
    return content


def no_file(path: Path) -> str:
    """Why the path cannot be read although the folder lists it; "" for files and folders."""
    if os.path.isfile(path) or os.path.isdir(path):
        return ""
    if os.path.exists(path):
        return "is not a file but a device, a socket or a named pipe"
    if os.path.islink(path):
        return f"is a link to {os.readlink(path)}, which does not exist"
    return "no longer exists"
