"""Settings: defaults, then one TOML file, then `RAG_*` variables, then the caller's arguments;
later ones win. Unknown names are errors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from rag.settings.checks import CONFIG_FILE, check, check_found, convert, read_toml, shown

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
    embedder: str = "minilm"
    """"minilm" (all-MiniLM-L6-v2, from its package), a local folder, or the hub id of a
    sentence-transformers model.
    """
    reader: str = "accurate"
    """A shipped reader, a folder, or the hub id of a question-answering model. "accurate" reads the
    best passages by search and by "fast", "best" reads all, "fast" is a small model alone.
    """
    passage_tokens: int = 160
    """Maximum passage length in word-pieces; fixed when an index is created."""
    alpha: float = 0.7
    """Weight of dense retrieval in the fusion, from 0 (words only) to 1 (vectors only)."""
    top_k: int = 8
    """Passages given to the reader per question; "accurate" reads three of them itself."""
    threshold: float = -1.0
    """Minimum confidence for an answer, from 0 to 1; a negative value uses the calibrated one."""
    calibration: str = "default"
    """Confidence and threshold: "default" (the reader's own), or a file written by
    `rag eval calibrate`.
    """
    spelling: int = 1
    """1 corrects misspelled words in questions to words of the index; 0 leaves questions as typed.
    """
    forms: str = "default"
    """Classifier that chooses the form of an answer: "default" (shipped), "off" (always a span), or
    a file written by `rag train forms`."""
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
    deadline_ms: int = 30_000
    """Deadline of a question in milliseconds; a request may set a shorter one."""
    max_upload_mb: int = 32
    """Maximum size of an upload, in mebibytes."""
    rate: int = 120
    """Rate limit per API key, in seconds of computing per minute; each request costs 1/40 s more.
    The reader and the search each compute at most 60 s in a minute. 0 means no limit.
    """
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

    first_stage_k: ClassVar[int] = 100
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
        config = environ.get("RAG_CONFIG")
        path = Path(config or CONFIG_FILE)
        values: dict[str, Any] = read_toml(path) if config or path.is_file() else {}
        variables = {
            k[4:].lower(): v
            for k, v in environ.items()
            if k.startswith("RAG_") and k != "RAG_CONFIG"
        }
        if not config:
            check_found(path, values)
        settings = cls()
        if arguments.get("index") is not None:
            arguments = {"store": "local", **arguments}  # an explicit --index overrides RAG_STORE
        for source, source_values in (
            (str(path), values),
            ("the environment", variables),
            ("the command line", arguments),
        ):
            settings = settings.with_values(source, source_values)
        return settings

    def with_values(self, source: str, values: Mapping[str, Any]) -> Self:
        """A copy with these values; None leaves a setting unchanged. Error messages name `source`
        as the place they come from.
        """
        kinds = {field.name: type(getattr(Settings(), field.name)) for field in fields(self)}
        changes = {
            name: convert(source, name, value, kinds)
            for name, value in values.items()
            if value is not None
        }
        settings = replace(self, **changes)
        check(source, asdict(settings))
        return settings

    @property
    def place(self) -> str:
        """Location of the index for messages: the folder, or the database address without its
        password.
        """
        return str(self.index) if self.store == "local" else shown(self.store)
