"""Settings: defaults, then one TOML file, then `RAG_*` variables, then what the caller passes.
Unknown names are errors.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from rag.errors import InputError

CONFIG_FILE = "rag.toml"
_RENAMED = {"read": "top_k", "enough": "early_exit", "candidates": "first_stage_k"}
"""Settings by the names that they had before 0.1.0."""
OWN_FILES = frozenset({"derived.json", "keys.json", "stamps.json", "snapshots.jsonl"})
"""Files of an index's folder that look like documents."""
SCHEMES = ("postgresql://", "postgres://")
_SECRETS = re.compile(r"([?&](?:password|sslpassword|sslkey|passfile)=)[^&]*")
_LOGIN = re.compile(r"^(\w+://)(?:([^:/?#]*)(:.*)?@)?", re.DOTALL)
DEFAULT_COLLECTION = "default"
"""The index itself, beside which others have names."""
_TRUSTED = frozenset(
    {
        "store",
        "embedder",
        "reader",
        "calibration",
        "host",
        "history",
        "writer",
        "writer_key",
        "traces",
    }
    | {"cors_origins", "certfile", "keyfile", "keys_file"}
)
"""Where models, indexes and the service are, and what files are written: only a file that a person
named says that.
"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """One value a field; `RAG_TOP_K` sets `top_k`, and so on. `RAG_CONFIG` names the file, by
    default ./rag.toml.
    """

    index: Path = Path("index")
    """Folder of the index."""
    collection: str = DEFAULT_COLLECTION
    """Which collection of the index; "default" is the index itself."""
    store: str = field(default="local", repr=False)  # it may hold a password
    """"local" (the folder `index`), or a PostgreSQL address:
    postgresql://USER:PASSWORD@HOST:PORT/DATABASE.
    """
    embedder: str = "minilm"
    """"minilm" (all-MiniLM-L6-v2, from its package), a local folder, or a hub id of a
    sentence-transformers model.
    """
    reader: str = "accurate"
    """A shipped reader, "accurate" (12 layers) or "fast" (6), a folder, or a hub id of a model with
    a span head.
    """
    passage_tokens: int = 160
    """Most word-pieces in a passage; fixed when an index is made."""
    first_stage_k: int = 100
    """Passages that each search leg brings to the fusion."""
    alpha: float = 0.7
    """Weight of the dense leg in the fusion, from 0 (words only) to 1 (vectors only)."""
    top_k: int = 8
    """Passages that the reader reads for a question."""
    early_exit: float = 1.0
    """Confidence, after three passages, from which on the others are left unread; 1: all are
    read.
    """
    alternatives: int = 3
    """Most other answers shown."""
    threshold: float = -1.0
    """Least confidence at which an answer is given, from 0 to 1; negative: the calibrated one."""
    calibration: str = "default"
    """"default" (that of the reader), or a file that `rag calibrate` wrote: confidence and
    threshold.
    """
    spelling: int = 1
    """1: words that the index does not know are corrected to words that it does; 0: questions are
    taken as typed.
    """
    forms: str = "default"
    """What chooses the form of an answer: "default" (the shipped classifier), "off" (always the
    span), or a file that `rag train --forms` wrote."""
    max_question: int = 1000
    """Most characters in a question."""
    precision: str = "auto"
    """Arithmetic of the models: "fp32", "bf16", or "auto": bf16 where the processor has the
    instruction.
    """
    threads: int = 0
    """Threads of the models; 0: OMP_NUM_THREADS, or all cores that affinity and CPU quota allow."""
    workers: int = 0
    """Processes that read files; 0: one for each core that affinity and CPU quota allow."""
    file_mb: int = 100
    """Most megabytes of a file; an archive may hold five times as many."""
    file_seconds: int = 120
    """Most seconds that reading a file may compute."""
    file_memory_mb: int = 2048
    """Most megabytes of memory that reading a file may take."""
    writer: str = ""
    """Address of an OpenAI-compatible server that writes answers for `--write`, such as
    http://127.0.0.1:8080/v1; "": none.
    """
    writer_model: str = ""
    """The model that the writer is asked for; "": the server's own."""
    writer_key: str = field(default="", repr=False)
    """The writer's API key; best given as RAG_WRITER_KEY."""
    writer_seconds: int = 60
    """Seconds after which a written answer is given up."""
    keep_furniture: int = 0
    """1: navigation, running heads and the like stay in texts read from now on; 0: they do not."""
    host: str = "127.0.0.1"
    """Address that the service is bound to; another than this machine's own needs API keys."""
    port: int = 8000
    """Port of the service; 0: any free one."""
    queue: int = 128
    """Most questions that wait in the service; one more is refused with 503."""
    batch_tokens: int = 16_384
    """About as many word-pieces are read in one batch."""
    batch_ms: int = 3
    """Milliseconds that a first question waits for others to be read with."""
    deadline_ms: int = 30_000
    """Milliseconds after which a question is given up; a request may ask for fewer."""
    max_upload_mb: int = 32
    """Most mebibytes of an upload."""
    rate: int = 4800
    """Most passages read a minute for one API key; a request that reads none counts as one. 0: any
    number.
    """
    request_passages: int = 800
    """Most passages read for one request: its questions times the passages of each."""
    connections: int = 1000
    """Most connections to the service; fewer where the system gives fewer file handles."""
    keys_file: str = ""
    """File of the API keys; "": keys.json in the index's folder."""
    cors_origins: str = ""
    """Origins, such as https://app.example.org, joined by commas, whose pages may ask with a key;
    "": the own page alone.
    """
    certfile: str = ""
    """PEM file of the service's certificate and its chain; "": HTTP without TLS."""
    keyfile: str = ""
    """PEM file of the certificate's private key; "": it is in `certfile`."""
    header_seconds: int = 10
    """Seconds in which the headers of a request must have come."""
    address_connections: int = 100
    """Most connections from one address, but from this machine."""
    traces: str = ""
    """Collector of OpenTelemetry spans over HTTP, such as http://127.0.0.1:4318/v1/traces; "": none
    are sent.
    """
    log_questions: int = 0
    """1: the service's log holds the questions; 0: it does not."""
    screen: str = "auto"
    """How `rag repl` looks: "full", "plain" (words alone: for screen readers), or "auto" (plain
    where TERM is dumb).
    """
    history: str = "auto"
    """File of what was typed in `rag repl`; "auto": in the person's state folder, "off": none."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Self:
        """Raises InputError for an unknown name or a value of the wrong kind."""
        environ = os.environ if environ is None else environ
        named = environ.get("RAG_CONFIG")
        path = Path(named or CONFIG_FILE)
        values: dict[str, Any] = _read_toml(path) if named or path.is_file() else {}
        variables = {
            k[4:].lower(): v
            for k, v in environ.items()
            if k.startswith("RAG_") and k != "RAG_CONFIG"
        }
        if not named:
            _check_found(path, values)
        settings = cls()
        if given.get("index") is not None:
            given = {"store": "local", **given}  # who names a folder means the folder
        for source, found in (
            (str(path), values),
            ("the environment", variables),
            ("the command line", given),
        ):
            settings = settings.with_values(source, found)
        return settings

    def with_values(self, source: str, values: Mapping[str, Any]) -> Self:
        """With other values; None leaves one as it is. `source` says in errors where they come
        from.
        """
        kinds = {field.name: type(getattr(Settings(), field.name)) for field in fields(self)}
        changes = {
            name: _convert(source, name, value, kinds)
            for name, value in values.items()
            if value is not None
        }
        settings = replace(self, **changes)
        settings._check(source)
        return settings

    @property
    def place(self) -> str:
        """Where the index is, for people and logs: the folder, or the database's address without
        its password.
        """
        return str(self.index) if self.store == "local" else shown(self.store)

    def _check(self, source: str) -> None:
        if self.store != "local" and not self.store.startswith(SCHEMES):
            message = (
                f"store = {shown(self.store)!r} in {source} is neither local nor a "
                f"PostgreSQL address"
            )
            raise InputError(
                message, "write RAG_STORE=postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            )
        if self.precision not in ("auto", "fp32", "bf16"):
            message = f"precision = {self.precision!r} in {source} is not auto, fp32 or bf16"
            raise InputError(message, "set RAG_PRECISION=auto")
        limits = {
            "alpha": (0, 1),
            "threshold": (-1, 1),
            "early_exit": (0, 1),
            "top_k": (1, 200),
            "first_stage_k": (1, 10_000),
            "passage_tokens": (16, 480),
        }
        limits |= {"writer_seconds": (1, 600)}
        if self.writer and not self.writer.startswith(("http://", "https://")):
            message = f"writer = {self.writer!r} in {source} is not an http or https address"
            raise InputError(message, "write RAG_WRITER=http://127.0.0.1:8080/v1")
        limits |= {"alternatives": (0, 50), "max_question": (1, 100_000), "threads": (0, 1024)}
        limits |= {
            "workers": (0, 256),
            "file_mb": (1, 10_000),
            "file_seconds": (1, 86_400),
            "file_memory_mb": (256, 1_000_000),
        }
        limits |= {"keep_furniture": (0, 1)}
        limits |= {
            "port": (0, 65_535),
            "queue": (1, 10_000),
            "batch_tokens": (256, 1_000_000),
            "batch_ms": (0, 1000),
        }
        limits |= {
            "deadline_ms": (1, 600_000),
            "max_upload_mb": (1, 1024),
            "rate": (0, 1_000_000),
            "log_questions": (0, 1),
            "spelling": (0, 1),
        }
        limits |= {"request_passages": (1, 100_000)}
        limits |= {
            "connections": (8, 100_000),
            "header_seconds": (1, 600),
            "address_connections": (1, 100_000),
        }
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                value = getattr(self, name)
                message = f"{name} = {value} in {source} is not between {least} and {most}"
                raise InputError(message, f"set {name} within its range")
        if self.screen not in ("auto", "full", "plain"):
            raise InputError(
                f"screen = {self.screen!r} in {source} is not auto, full or plain",
                "set screen to one of these",
            )


def _check_found(path: Path, values: Mapping[str, Any]) -> None:
    """A file that merely lies in the working folder may be anyone's. Raises InputError if it says
    where things are.
    """
    if wanted := sorted(_TRUSTED.intersection(values)):
        message = (
            f"{path.absolute()} sets {', '.join(wanted)}, which a file that merely lies in "
            f"this folder may not"
        )
        raise InputError(
            message,
            f"if you trust it: export RAG_CONFIG={path.absolute()}; else take that out, or leave "
            f"the folder",
        )
    if values:
        _log.warning(
            "settings from %s: %s",
            path,
            ", ".join(f"{name} = {value!r}" for name, value in values.items()),
        )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"settings file {path}: {error.strerror}", "correct RAG_CONFIG, or unset it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"settings file {path} is not TOML: {error}", f"correct {path}") from error


def _convert(source: str, name: str, value: Any, kinds: Mapping[str, type]) -> Any:
    if name in _RENAMED:
        new = _RENAMED[name]
        message = f"the setting {name!r} in {source} is now called {new!r}"
        raise InputError(
            message, f"write {new} in its place; in the environment: RAG_{new.upper()}"
        )
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, 1)
        hint = f"did you mean {near[0]}?" if near else f"known settings: {', '.join(kinds)}"
        raise InputError(f"unknown setting {name!r} in {source}", hint)
    kind = kinds[name]
    wrong = InputError(
        f"{name} = {value!r} in {source} is not of kind {kind.__name__}",
        f"give {name} a {kind.__name__}",
    )
    if (
        isinstance(value, bool)
        or not isinstance(value, (str, int, float, Path))
        or (kind is int and isinstance(value, float))
    ):
        raise wrong  # a TOML file's 8.7 is no 8, as RAG_TOP_K=8.7 is none
    if issubclass(kind, Path) and not str(value).strip():
        raise InputError(f"{name} in {source} is empty", f"name a folder, or leave {name} out")
    try:
        made = kind(value)
        return made.expanduser() if isinstance(made, Path) else made
    except (
        ValueError,
        TypeError,
        OverflowError,
        RuntimeError,
    ) as error:  # the last for the home of nobody
        raise wrong from error


def shown(dsn: str) -> str:
    """A PostgreSQL address without its password, also where it is malformed."""

    def login(match: re.Match[str]) -> str:
        scheme, user, password = match.groups()
        return scheme + ("" if user is None else f"{user}@" if password is None else f"{user}:***@")

    return _SECRETS.sub(r"\1***", _LOGIN.sub(login, dsn))


def is_index(folder: str | Path) -> bool:
    """Whether this is the folder of an index: its database, and not a copy of that alone."""
    return os.path.isfile(os.path.join(folder, "rag.sqlite")) and any(
        os.path.isfile(os.path.join(folder, name)) for name in ("derived.json", "lock")
    )
