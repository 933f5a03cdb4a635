"""Everything that can go wrong through no fault of the code, and how it leaves the process.

    RagError
    ├── InputError      what was asked or given cannot be used             exit 2   HTTP 422
    │   └── ConflictError its name is that of something else               exit 2   HTTP 409
    ├── NotFoundError   a document or path that is not there               exit 2   HTTP 404
    ├── StoreError      the index is broken or mismatched                  exit 3   HTTP 503
    │   ├── AbsentError there is none yet                                  exit 3   HTTP 503
    │   ├── OldError    it is to be brought up to date by who may write    exit 3   HTTP 503
    │   └── EmptyError  there is nothing in it to ask                      exit 3   HTTP 409
    ├── ModelError      a model is absent, altered or of the wrong kind    exit 4   HTTP 503
    └── BusyError       another process is writing the index               exit 5   HTTP 503

Exit 0 is success, and exit 1 is a command's own "no", as grep has it: `rag ask` did not find it,
`rag verify` found it changed.
"""

from __future__ import annotations

from pathlib import Path

DISTRIBUTION = "quoterag"
"""What the package is called where packages are installed from."""


class RagError(Exception):
    """`message` names the value and the cause; `hint` is what to do next."""

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
    """There is nothing in the index to ask."""

    status = 409


class AbsentError(StoreError):
    """There is no index there yet."""


class OldError(StoreError):
    """The index is of an older version, which a writer brings up to date."""


class ModelError(RagError):
    exit_code = 4
    status = 503


class BusyError(RagError):
    exit_code = 5
    status = 503


def install_line(extra: str = "") -> str:
    """The command that installs this package with an extra, from where it was installed the first
    time.
    """
    wanted = f"[{extra}]" if extra else ""
    root = Path(__file__).resolve().parents[1]
    if (root / "pyproject.toml").is_file():  # runs from its sources
        return f"pip install -e '{root}{wanted}'"
    address = _installed_from()
    if address.startswith("file://"):
        return f"pip install '{address.removeprefix('file://')}{wanted}'"
    return f"pip install '{DISTRIBUTION}{wanted}{f' @ {address}' if address else ''}'"


def _installed_from() -> str:
    """The address that pip noted (PEP 610); "" if it took the package from an index, or was not
    asked.
    """
    import json
    from importlib import metadata

    try:
        noted = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return ""
    address = str(noted.get("url", ""))
    vcs = noted.get("vcs_info", {}).get("vcs", "")
    return f"{vcs}+{address}" if vcs else address
