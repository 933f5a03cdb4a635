"""Expected errors, with their exit codes and HTTP statuses.

    RagError
    ├── InputError        invalid question, option, file or setting         exit 2   HTTP 422
    │   └── ConflictError the name is already in use                        exit 2   HTTP 409
    ├── NotFoundError     no such document or path                          exit 2   HTTP 404
    ├── StoreError        the index is broken or does not match             exit 3   HTTP 503
    │   ├── AbsentError   there is no index yet                             exit 3   HTTP 503
    │   ├── EmptyError    the index is empty                                exit 3   HTTP 409
    │   └── MismatchError the index was made with other settings            exit 3   HTTP 503
    ├── ModelError        a model is missing, altered or of the wrong type  exit 4   HTTP 503
    └── BusyError         another process is writing the index              exit 5   HTTP 503

Exit 0 is success. Exit 1 is a command's negative result, as with grep: `rag ask` found no answer,
`rag verify` found a changed citation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISTRIBUTION = "quoterag"
"""Name of the package on the package index."""


class RagError(Exception):
    """Base class. `message` names the value and the cause; `hint` is the next step."""

    exit_code = 1
    status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)
        self.message = message
        self.hint = hint


class InputError(RagError):
    exit_code = 2
    status = 422


class ConflictError(InputError):
    status = 409


class NotFoundError(RagError):
    exit_code = 2
    status = 404


class StoreError(RagError):
    exit_code = 3
    status = 503


class EmptyError(StoreError):
    """The index holds no passages."""

    status = 409


class AbsentError(StoreError):
    """There is no index at this place yet."""


class MismatchError(StoreError):
    """The index was made with other settings."""


class ModelError(RagError):
    exit_code = 4
    status = 503


class BusyError(RagError):
    exit_code = 5
    status = 503


def cause_of(error: BaseException) -> str:
    """What an error of Python's says, in words: without the number of an OSError, and with the
    reason why a KeyError is one.
    """
    if isinstance(error, KeyError):
        return f"the field {error} is missing"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


@contextmanager
def writing_to(path: object, hint: str, kind: type[RagError] = InputError) -> Iterator[None]:
    """Turn OSErrors into a `kind` that names the file."""
    try:
        yield
    except OSError as error:
        raise kind(f"{path} cannot be written: {error.strerror}", hint) from error


@contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Turn a missing library into an InputError that names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"{purpose} needs {error.name}, which is not installed"
        raise InputError(message, f"run: {install_line(extra)}") from error


def install_line(extra: str = "") -> str:
    """Command that installs this package with an extra, from the same source as before."""
    wanted = f"[{extra}]" if extra else ""
    root = Path(__file__).resolve().parents[1]
    if (root / "pyproject.toml").is_file():  # a source checkout
        return f"pip install -e '{root}{wanted}'"
    address = _installed_from()
    if address.startswith("file://"):
        return f"pip install '{address.removeprefix('file://')}{wanted}'"
    return f"pip install '{DISTRIBUTION}{wanted}{f' @ {address}' if address else ''}'"


def _installed_from() -> str:
    """Source address that the installer recorded (PEP 610); "" for a package of an index."""
    import json
    from importlib import metadata

    try:
        noted = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return ""
    address = str(noted.get("url", ""))
    vcs = noted.get("vcs_info", {}).get("vcs", "")
    return f"{vcs}+{address}" if vcs else address
