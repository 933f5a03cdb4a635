"""Settings: defaults, one TOML file, `RAG_*` variables, the caller's arguments; later ones win."""

from __future__ import annotations

import difflib
import logging
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from rag.errors import InputError

SCHEMES = ("postgresql://", "postgres://")
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:/")
_SECRETS = re.compile(r"([?&](?:password|sslpassword|sslkey|passfile)=)[^&]*")
_LOGIN = re.compile(r"^(\w+://)(?:([^:/?#]*)(:.*)?@)?", re.DOTALL)


def is_address(text: str) -> bool:
    """Whether this is an address, such as s3://bucket/x, and no path; ./s3:/x is a path."""
    return _ADDRESS.match(text) is not None


def place_settings(place: str | Path) -> dict[str, Any]:
    """The settings of the index at a place: a folder, or a PostgreSQL address. Raises InputError
    for another address and for an empty name.
    """
    text = str(place)
    if text.startswith(SCHEMES):
        return {"store": text}
    example = "rag index migrate index postgresql://user@db.example/rag"
    hint = f"give a folder, or an address as in: {example}"
    if is_address(text):
        schemes = " or ".join(SCHEMES)
        place = public_address(text)
        message = f"{place} is not a place for an index: an address begins with {schemes}"
        raise InputError(message, hint)
    if not text.strip():
        raise InputError(f"the name of the index is empty: {text!r}", hint)
    return {"index": Path(text)}


def public_address(dsn: str) -> str:
    """A PostgreSQL address without its password, even if the address is malformed."""

    def login(match: re.Match[str]) -> str:
        scheme, user, password = match.groups()
        return scheme + ("" if user is None else f"{user}@" if password is None else f"{user}:***@")

    return _SECRETS.sub(r"\1***", _LOGIN.sub(login, dsn))


_LIMITS: dict[str, tuple[float, float]] = {
    "threshold": (-1, 1),
    "top_k": (1, 200),
    "passage_tokens": (16, 480),
    "writer_seconds": (1, 600),
    "gate_seconds": (1, 600),
    "threads": (0, 1_024),
    "workers": (0, 256),
    "file_mb": (1, 10_000),
    "file_memory_mb": (256, 1_000_000),
    "keep_furniture": (0, 1),
    "port": (0, 65_535),
    "queue": (1, 10_000),
    "deadline_ms": (1, 600_000),
    "max_upload_mb": (1, 1_024),
    "rate": (0, 1_000_000),
    "spelling": (0, 1),
}
"""Least and greatest value."""
_CHOICES = {"precision": ("auto", "fp32", "bf16", "int8"), "device": ("auto", "cpu", "cuda", "mps")}

_ADDRESSES = {
    "writer": "http://127.0.0.1:8080/v1",
    "gate": "http://127.0.0.1:8080/v1",
    "public_url": "https://rag.example.org/",
    "traces": "http://127.0.0.1:4318/v1/traces",
}
"""Settings that are addresses, with examples."""
_PATHS = ("keys_file", "certfile", "keyfile")
"""Settings that are files on this machine."""


def check(source: str, values: Mapping[str, Any]) -> None:
    """Raises InputError for a value that is out of range."""
    store = values["store"]
    if store != "local" and not store.startswith(SCHEMES):
        stated = f"store = {public_address(store)!r} in {source}"
        message = f'{stated} is neither "local" nor a PostgreSQL address'
        raise InputError(message, "write RAG_STORE=postgresql://USER:PASSWORD@HOST:PORT/DATABASE")

    for name, example in _ADDRESSES.items():
        if values[name] and not values[name].startswith(("http://", "https://")):
            message = f"{name} = {values[name]!r} in {source} is not an http or https address"
            raise InputError(message, f"write RAG_{name.upper()}={example}")

    for name in _PATHS:
        if is_address(values[name]):
            address = public_address(values[name])
            message = f"{name} = {address!r} in {source} is an address, not a file"
            raise InputError(message, f"set RAG_{name.upper()} to a file on this machine")

    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
            message = f"{name} = {values[name]!r} in {source} is not {listed}"
            raise InputError(message, f"set RAG_{name.upper()}=auto")

    for name, (lowest, highest) in _LIMITS.items():
        if not lowest <= values[name] <= highest:
            message = f"{name} = {values[name]} in {source} is not between {lowest} and {highest}"
            raise InputError(message, f"choose a value from {lowest} to {highest}")


_KINDS = {
    int: ("a whole number", "8"),
    float: ("a number", "0.35"),
    Path: ("a path", "index"),
}
"""What a setting of a type has to be, in words, and an example."""


def convert(source: str, name: str, value: Any, kinds: Mapping[str, type]) -> Any:
    """The value as its setting's type. Raises InputError for an unknown name or another type."""
    if name not in kinds:
        similar = difflib.get_close_matches(name, kinds, 1)
        hint = f"did you mean {similar[0]}?" if similar else f"known settings: {', '.join(kinds)}"
        raise InputError(f"unknown setting {name!r} in {source}", hint)
    kind = kinds[name]
    wanted, example = _KINDS.get(kind, ("a text", "local"))
    message = f"{name} = {value!r} in {source} is not {wanted}"
    wrong = InputError(message, f"set it as in RAG_{name.upper()}={example}")
    # int(8.7) would silently turn a TOML file's 8.7 into 8
    types = (str, int, Path) if kind is int else (str, int, float, Path)
    if isinstance(value, bool) or not isinstance(value, types):
        raise wrong
    if issubclass(kind, Path):
        _check_folder(source, name, str(value))
    try:
        converted = kind(value)
        return converted.expanduser() if isinstance(converted, Path) else converted
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:  # no such ~user
        raise wrong from error


def _check_folder(source: str, name: str, folder: str) -> None:
    """Raises InputError for an address and for an empty name."""
    if not folder.strip():
        raise InputError(f"{name} in {source} is empty", f"name a folder, or leave {name} out")
    if is_address(folder):
        message = f"{name} = {public_address(folder)!r} in {source} is an address, not a folder"
        hint = f"set RAG_{name.upper()} to a folder, or RAG_STORE to a PostgreSQL address"
        raise InputError(message, hint)


CONFIG_FILE = "rag.toml"
_TRUSTED = frozenset(
    "store embedder reader calibration forms host public_url writer writer_key gate gate_key "
    "traces cors_origins certfile keyfile keys_file".split()
)
"""Settings that locate models, databases, hosts, or files besides the index. A rag.toml that just
happens to be in the working folder must not set them; a file named in RAG_CONFIG may.
"""
_log = logging.getLogger(__name__)


def check_found(path: Path, values: Mapping[str, Any]) -> None:
    """A rag.toml in the working folder may be anyone's: InputError if it sets a `_TRUSTED` one."""
    if unsafe := sorted(_TRUSTED.intersection(values)):
        which = "which a file found in the working folder must not set"
        trust = f"if you trust it: export RAG_CONFIG={path.absolute()}"
        hint = f"{trust}; else remove these settings, or change to another folder"
        raise InputError(f"{path.absolute()} sets {', '.join(unsafe)}, {which}", hint)
    if values:
        listed = ", ".join(f"{name} = {value!r}" for name, value in values.items())
        _log.warning("settings from %s: %s", path, listed)


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "correct RAG_CONFIG, or unset it"
        raise InputError(f"settings file {path}: {error.strerror}", hint) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"settings file {path} is not TOML: {error}", f"correct {path}") from error


OWN_FILES = frozenset({"derived.json", "keys.json", "stamps.json", "snapshots.jsonl"})
"""Files in an index folder that would otherwise be ingested as documents."""
DEFAULT_COLLECTION = "default"
"""Name of the index's own collection."""


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


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `RAG_TOP_K` sets `top_k`, and so on. `RAG_CONFIG` names the TOML file; the
    default is ./rag.toml. The class variables at the end are fixed.
    """

    index: Path = Path("index")
    """Index folder."""
    collection: str = DEFAULT_COLLECTION
    """Collection to use; "default" is the index's own."""
    store: str = field(default="local", repr=False)  # it may hold a password
    """"local" (uses the folder `index`), or a PostgreSQL address:
    postgresql://USER:PASSWORD@HOST:PORT/DATABASE.
    """
    embedder: str = "minilm-qa"
    """"minilm-qa" (all-MiniLM-L6-v2, tuned on questions), a local folder, or the hub id of a
    sentence-transformers model.
    """
    reader: str = "accurate"
    """A shipped reader, a folder, or the hub id of a question-answering model. "accurate" reads the
    best passages by search and by "fast", "best" reads all, "fast" is a small model alone.
    """
    passage_tokens: int = 160
    """Maximum passage length in word-pieces; fixed when an index is created."""
    top_k: int = 8
    """Passages given to the reader per question; "accurate" reads three of them itself."""
    threshold: float = -1.0
    """Minimum confidence for an answer, from 0 to 1; a negative value uses the calibrated one."""
    calibration: str = "default"
    """Confidence and threshold: "default" (the reader's own), or a file of `rag eval calibrate`."""
    spelling: int = 1
    """1 corrects misspelled words in questions to words of the index; 0 leaves them as typed."""
    forms: str = "default"
    """Classifier of the form that a question wants: "default" (shipped), "off" (answers are spans),
    or a file written by `rag train forms`.
    """
    precision: str = "auto"
    """Model arithmetic: "fp32", "bf16", "int8", or "auto" (bf16 if the processor computes it fast,
    otherwise int8 if it has VNNI, otherwise fp32).
    """
    device: str = "auto"
    """Where models compute: "cpu", "cuda", "mps", or "auto" (an accelerator if there is one)."""
    threads: int = 0
    """Model threads; 0 means OMP_NUM_THREADS, or all cores that affinity and CPU quota allow."""
    workers: int = 0
    """Processes that parse files; 0 means one per core that affinity and CPU quota allow."""
    file_mb: int = 100
    """Maximum size of a file in megabytes; an archive may unpack to five times as much."""
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
    """1 keeps navigation, running heads and other boilerplate of newly read texts; 0 drops it."""
    host: str = "127.0.0.1"
    """Address the service binds to; an address that other machines can reach needs API keys."""
    port: int = 8000
    """Port of the service; 0 picks a free one."""
    queue: int = 128
    """Maximum number of waiting questions; further ones get status 503."""
    deadline_ms: int = 30_000
    """Deadline of a question in milliseconds; a request may set a shorter one."""
    max_upload_mb: int = 32
    """Maximum size of an upload, in mebibytes."""
    rate: int = 120
    """Rate limit per API key, in seconds of computing per minute; each request costs 1/40 s more.
    The reader and the search each compute at most 60 s in a minute. 0 means no limit.
    """
    gate: str = ""
    """Address of an OpenAI-compatible server, such as http://127.0.0.1:8080/v1, whose answers the
    service passes on at /v1/gate, checked and marked; "" for none.
    """
    gate_key: str = field(default="", repr=False)
    """The API key of that server. Set it as the variable RAG_GATE_KEY, not in a file."""
    gate_seconds: int = 120
    """Timeout for an answer of that server, in seconds."""
    public_url: str = ""
    """Address at which clients reach the service, such as https://rag.example.org/, for the links
    in answers; "" uses the Host header of each request.
    """
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
    traces: str = ""
    """Collector for OpenTelemetry spans over HTTP, such as http://127.0.0.1:4318/v1/traces; "" to
    send none.
    """

    first_stage_k: ClassVar[int] = 60
    """Passages that each retriever contributes to the fusion."""
    max_question: ClassVar[int] = 1000
    """Maximum length of a question in characters."""
    file_seconds: ClassVar[int] = 120
    """Maximum CPU time for parsing a file, in seconds."""
    keep_pdf_mb: ClassVar[int] = 32
    """Maximum size of an uploaded PDF that is kept to show its pages, in mebibytes."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **arguments: Any) -> Self:
        """Read the settings. Raises InputError for an unknown name or an invalid value."""
        environ = os.environ if environ is None else environ
        variables = {k[4:].lower(): v for k, v in environ.items() if k.startswith("RAG_")}
        config = variables.pop("config", None)
        path = Path(config or CONFIG_FILE)
        values: dict[str, Any] = read_toml(path) if config or path.is_file() else {}
        if not config:
            check_found(path, values)
        if arguments.get("index") is not None:
            arguments = {"store": "local", **arguments}  # an explicit --index overrides RAG_STORE
        settings = cls().with_values(str(path), values)
        settings = settings.with_values("the environment", variables)
        return settings.with_values("the options", arguments)

    def with_values(self, source: str, values: Mapping[str, Any]) -> Self:
        """A copy with these values; None leaves a setting unchanged. Errors name `source`."""
        kinds = {field.name: type(getattr(Settings(), field.name)) for field in fields(self)}
        given = {name: value for name, value in values.items() if value is not None}
        changes = {name: convert(source, name, value, kinds) for name, value in given.items()}
        settings = replace(self, **changes)
        check(source, asdict(settings))
        return settings

    @property
    def place(self) -> str:
        """Where the index is, for messages: the folder, or the database without its password."""
        return str(self.index) if self.store == "local" else public_address(self.store)
