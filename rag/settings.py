"""Settings: defaults, then one TOML file, then `RAG_*` variables, then the caller's arguments;
later ones win. Unknown names are errors.
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
"""Setting names from before 0.1.0, and what replaced them."""
OWN_FILES = frozenset({"derived.json", "keys.json", "stamps.json", "snapshots.jsonl"})
"""Files in an index folder that would otherwise be ingested as documents."""
SCHEMES = ("postgresql://", "postgres://")
_SECRETS = re.compile(r"([?&](?:password|sslpassword|sslkey|passfile)=)[^&]*")
_LOGIN = re.compile(r"^(\w+://)(?:([^:/?#]*)(:.*)?@)?", re.DOTALL)
DEFAULT_COLLECTION = "default"
"""Name of the index's own collection."""
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
"""Settings that locate models, indexes, hosts or written files. A rag.toml that just happens to be
in the working folder must not set them; a file named in RAG_CONFIG may.
"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `RAG_TOP_K` sets `top_k`, and so on. `RAG_CONFIG` names the TOML file; the
    default is ./rag.toml.
    """

    index: Path = Path("index")
    """Index folder."""
    collection: str = DEFAULT_COLLECTION
    """Collection to use; "default" is the index's own."""
    store: str = field(default="local", repr=False)  # it may hold a password
    """"local" (uses the folder `index`), or a PostgreSQL address:
    postgresql://USER:PASSWORD@HOST:PORT/DATABASE.
    """
    embedder: str = "minilm"
    """"minilm" (all-MiniLM-L6-v2, from its package), a local folder, or the hub id of a
    sentence-transformers model.
    """
    reader: str = "accurate"
    """A shipped reader, a folder, or the hub id of a question-answering model. "accurate" reads the
    passages that "fast" finds likeliest, "best" reads all of them, "fast" is a small model alone.
    """
    passage_tokens: int = 160
    """Maximum passage length in word-pieces; fixed when an index is created."""
    first_stage_k: int = 100
    """Passages that each retriever contributes to the fusion."""
    alpha: float = 0.7
    """Weight of dense retrieval in the fusion, from 0 (words only) to 1 (vectors only)."""
    top_k: int = 8
    """Passages that the reader reads per question."""
    early_exit: float = 1.0
    """Stop reading after three passages if the confidence has reached this value; 1 reads all."""
    alternatives: int = 3
    """Maximum number of alternative answers shown."""
    threshold: float = -1.0
    """Minimum confidence for an answer, from 0 to 1; a negative value uses the calibrated one."""
    calibration: str = "default"
    """Confidence and threshold: "default" (the reader's own), or a file written by
    `rag calibrate`.
    """
    spelling: int = 1
    """1 corrects misspelled words in questions to words of the index; 0 leaves questions as typed.
    """
    forms: str = "default"
    """Classifier that chooses the form of an answer: "default" (shipped), "off" (always a span), or
    a file written by `rag train --forms`."""
    max_question: int = 1000
    """Maximum length of a question in characters."""
    precision: str = "auto"
    """Model arithmetic: "fp32", "bf16", or "auto" (bf16 if the processor supports it)."""
    device: str = "auto"
    """Where the models compute: "cpu", "cuda", "mps", or "auto" (an accelerator if torch finds
    one).
    """
    threads: int = 0
    """Model threads; 0 means OMP_NUM_THREADS, or all cores that affinity and CPU quota allow."""
    workers: int = 0
    """Processes that parse files; 0 means one per core that affinity and CPU quota allow."""
    file_mb: int = 100
    """Maximum size of a file in megabytes; an archive may unpack to five times as much."""
    file_seconds: int = 120
    """Maximum CPU time for parsing a file, in seconds."""
    file_memory_mb: int = 2048
    """Maximum memory for parsing a file, in megabytes."""
    writer: str = ""
    """Address of an OpenAI-compatible server that writes the answers of `--write`, such as
    http://127.0.0.1:8080/v1; "" for no writer.
    """
    writer_model: str = ""
    """Model to request from the writer; "" for the server's default."""
    writer_key: str = field(default="", repr=False)
    """The writer's API key. Set it as the variable RAG_WRITER_KEY, not in a file."""
    writer_seconds: int = 60
    """Timeout for a written answer, in seconds."""
    keep_furniture: int = 0
    """1 keeps navigation, running heads and other boilerplate in newly ingested texts; 0 drops
    it.
    """
    host: str = "127.0.0.1"
    """Address the service binds to; an address that other machines can reach needs API keys."""
    port: int = 8000
    """Port of the service; 0 picks a free one."""
    queue: int = 128
    """Maximum number of waiting questions; further ones get status 503."""
    batch_tokens: int = 16_384
    """Approximate batch size of the reader, in word-pieces."""
    batch_ms: int = 3
    """Milliseconds that the first question of a batch waits for others."""
    deadline_ms: int = 30_000
    """Deadline of a question in milliseconds; a request may set a shorter one."""
    max_upload_mb: int = 32
    """Maximum size of an upload, in mebibytes."""
    keep_pdf_mb: int = 32
    """Maximum size of an uploaded PDF that is kept to show its pages, in mebibytes; 0 keeps none.
    """
    rate: int = 4800
    """Rate limit per API key, in passages read per minute; a request that reads none counts as one.
    0 means no limit.
    """
    request_passages: int = 800
    """Maximum number of passages read per request: its questions times their passages."""
    connections: int = 1000
    """Maximum number of connections; lower if the system allows fewer file handles."""
    keys_file: str = ""
    """File of the API keys; "" for keys.json in the index folder."""
    cors_origins: str = ""
    """Comma-separated origins, such as https://app.example.org, whose pages may use the service
    with a key; "" for the service's own page only.
    """
    certfile: str = ""
    """PEM file with the service's certificate chain; "" for plain HTTP."""
    keyfile: str = ""
    """PEM file with the certificate's private key; "" if it is in `certfile`."""
    header_seconds: int = 10
    """Timeout for receiving a request's headers, in seconds."""
    address_connections: int = 100
    """Maximum number of connections per address; this machine's own is exempt."""
    traces: str = ""
    """Collector for OpenTelemetry spans over HTTP, such as http://127.0.0.1:4318/v1/traces; "" to
    send none.
    """
    log_questions: int = 0
    """1 writes questions to the service's log; 0 does not."""
    screen: str = "auto"
    """Look of `rag repl`: "full", "plain" (no colours or animation, for screen readers), or "auto"
    (plain if TERM is dumb).
    """
    history: str = "auto"
    """History file of `rag repl`; "auto" uses your state folder, "off" keeps no history."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Self:
        """Read the settings. Raises InputError for an unknown name or an invalid value."""
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
            given = {"store": "local", **given}  # an explicit --index overrides RAG_STORE
        for source, found in (
            (str(path), values),
            ("the environment", variables),
            ("the command line", given),
        ):
            settings = settings.with_values(source, found)
        return settings

    def with_values(self, source: str, values: Mapping[str, Any]) -> Self:
        """A copy with these values; None leaves a setting unchanged. Error messages name `source`
        as the place they come from.
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
        """Location of the index for messages: the folder, or the database address without its
        password.
        """
        return str(self.index) if self.store == "local" else shown(self.store)

    def _check(self, source: str) -> None:
        if self.store != "local" and not self.store.startswith(SCHEMES):
            message = (
                f'store = {shown(self.store)!r} in {source} is neither "local" nor a '
                f"PostgreSQL address"
            )
            raise InputError(
                message, "write RAG_STORE=postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            )
        if self.precision not in ("auto", "fp32", "bf16"):
            message = f"precision = {self.precision!r} in {source} is not auto, fp32 or bf16"
            raise InputError(message, "set RAG_PRECISION=auto")
        if self.device not in ("auto", "cpu", "cuda", "mps"):
            message = f"device = {self.device!r} in {source} is not auto, cpu, cuda or mps"
            raise InputError(message, "set RAG_DEVICE=auto")
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
            "keep_pdf_mb": (0, 512),
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
                raise InputError(message, f"choose a value from {least} to {most}")
        if self.screen not in ("auto", "full", "plain"):
            raise InputError(
                f"screen = {self.screen!r} in {source} is not auto, full or plain",
                "set screen to one of these",
            )


def _check_found(path: Path, values: Mapping[str, Any]) -> None:
    """A rag.toml found in the working folder may be anyone's. Raises InputError if it sets one of
    the `_TRUSTED` settings.
    """
    if wanted := sorted(_TRUSTED.intersection(values)):
        message = (
            f"{path.absolute()} sets {', '.join(wanted)}, which a file found in the working "
            f"folder must not set"
        )
        raise InputError(
            message,
            f"if you trust it: export RAG_CONFIG={path.absolute()}; else remove these settings, or "
            f"change to another folder",
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
        raise InputError(message, f"use {new} instead; in the environment: RAG_{new.upper()}")
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, 1)
        hint = f"did you mean {near[0]}?" if near else f"known settings: {', '.join(kinds)}"
        raise InputError(f"unknown setting {name!r} in {source}", hint)
    kind = kinds[name]
    wrong = InputError(
        f"{name} = {value!r} in {source} is not a valid {kind.__name__}",
        f"set {name} to a {kind.__name__}",
    )
    if (
        isinstance(value, bool)
        or not isinstance(value, (str, int, float, Path))
        or (kind is int and isinstance(value, float))
    ):
        raise wrong  # int(8.7) would silently turn a TOML file's 8.7 into 8
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
    ) as error:  # RuntimeError: ~user does not exist
        raise wrong from error


def shown(dsn: str) -> str:
    """A PostgreSQL address without its password, even if the address is malformed."""

    def login(match: re.Match[str]) -> str:
        scheme, user, password = match.groups()
        return scheme + ("" if user is None else f"{user}@" if password is None else f"{user}:***@")

    return _SECRETS.sub(r"\1***", _LOGIN.sub(login, dsn))


def root_of(index: Path) -> str:
    """Absolute path of the folder that contains the index, or the index which a collection is
    beside; "" for the file system's root. Documents below it travel with the index.
    """
    folder = Path(os.path.realpath(index))
    if folder.parent.name == "collections":
        folder = folder.parent.parent
    return str(folder.parent).rstrip("/")


def is_index(folder: str | Path) -> bool:
    """Whether this is an index folder. A folder with only a copy of the database does not count."""
    return os.path.isfile(os.path.join(folder, "rag.sqlite")) and any(
        os.path.isfile(os.path.join(folder, name)) for name in ("derived.json", "lock")
    )
