"""Loads documents from files, by the parser of their format."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from rag.errors import InputError, install_line
from rag.meaning.dates import days, iso_date, only_year
from rag.meaning.identifiers import day_in_words
from rag.parsing.base import Member, Parsed, ParseError, encodable, name_of, one_line
from rag.parsing.encoding import decode, decode_page
from rag.parsing.files import MOST_BYTES, FoundFile, read_bytes
from rag.parsing.formats import Format, format_of
from rag.parsing.metadata import MADE
from rag.parsing.stated_day import stated_day
from rag.structure import with_sentences
from rag.types import MEMBER_SEPARATOR, Block, Document

HINT = "give it the suffix of its format, such as report.pdf or notes.txt"
_MOST_CHARACTERS = 20_000_000
"""Maximum length of a text, about thirty thousand passages."""
_MOST_EXPANDED = 5
"""An archive may unpack to this many times the maximum file size."""
_DEEPEST = 3
"""Maximum nesting of archives."""
_LONGEST_ID = 800
"""Characters of a member's id; stores keep ids in indexes, PostgreSQL up to 2,600 bytes."""
_LONGEST_VALUE = 1000
_LONGEST_NAME = 300
"""Characters of a title, a heading or the name of a column: every passage begins with them."""
_MOST_NAMES = 200_000
"""Maximum number of headings and named rows, each of which begins a passage."""
_OBJECT = re.compile(r"(?:file )?'?<[\w.]+ object at 0x\w+>'? ?")
"""Matches the names that libraries give to the objects they read."""


@dataclass(slots=True)
class Loaded:
    """Content of a file: documents, sources of unchanged ones, and (source, reason) of what cannot
    be read.

    `sha256` is the digest of the file itself.
    """

    documents: list[Document] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    sha256: str = ""
    left_out: int = 0
    """Number of characters of boilerplate, such as navigation, left out of the documents."""


def load(
    file: FoundFile,
    known_digests: Mapping[str, str] | None = None,
    most_bytes: int = MOST_BYTES,
    keep_furniture: bool = False,
) -> Loaded:
    """The documents in a file: one, or those of an archive or mailbox. Documents whose digest is in
    `known_digests`, by source, are not read.

    `keep_furniture` keeps navigation, running heads and the like. Raises ParseError for an
    unsupported format, a file larger than `most_bytes`, binary content, or a file without text.
    """
    place = _FilePlace(
        id=file.document_id,
        source=str(file.path),
        name=file.path.name,
    )
    run = _LoadRun(known_digests or {}, _MOST_EXPANDED * most_bytes, keep_furniture)
    run.file(place, read_bytes(file.path, most_bytes))
    return run.loaded


def load_data(
    name: str, data: bytes, most_bytes: int = MOST_BYTES, keep_furniture: bool = False
) -> Loaded:
    """Like `load`, for bytes; `name`, a path or URI with a suffix, becomes id and source."""
    run = _LoadRun({}, _MOST_EXPANDED * most_bytes, keep_furniture)
    place = _FilePlace(
        id=name,
        source=name,
        name=name.rsplit("/", 1)[-1],
    )
    run.file(place, data)
    return run.loaded


def load_some(name: str, data: bytes, reader: Callable[[str, bytes], Loaded] = load_data) -> Loaded:
    """Result of `load_data`, or of a `rag.parsing.pool.Pool` within limits. Raises InputError if it
    contains no document.
    """
    try:
        loaded = reader(name, data)
        if not loaded.documents:
            source, reason = loaded.skipped[0]
            raise ParseError(f"contains nothing readable: {source} {reason}")
    except ParseError as error:
        raise InputError(f"{name} {error}", HINT) from error
    return loaded


@dataclass(frozen=True, slots=True)
class _FilePlace:
    """A document's id and source, the name that says its format, and its archive's digest."""

    id: str
    source: str
    name: str
    archive: str = ""
    depth: int = 0

    def member(self, part: str, archive: str) -> "_FilePlace":
        """The place of a file in this one, an archive with this digest unless it is in another."""
        return _FilePlace(
            id=f"{self.id}/{part}",
            source=f"{self.source}{MEMBER_SEPARATOR}{part}",
            name=part,
            archive=self.archive or archive,
            depth=self.depth + 1,
        )


@dataclass(slots=True)
class _LoadRun:
    """Reads one file and its members, with one limit on all unpacked bytes."""

    known_digests: Mapping[str, str]
    bytes_left: int
    keep_furniture: bool
    loaded: Loaded = field(default_factory=Loaded)

    def file(self, place: _FilePlace, content: bytes) -> None:
        """Read a file: parse it, or the files in it, unless its digest is known."""
        digest = hashlib.sha256(content).hexdigest()
        self.loaded.sha256 = self.loaded.sha256 or digest
        if self.known_digests.get(place.source) == digest:
            self.loaded.same.append(place.source)
            return

        name = place.name
        kind = format_of(name, content)
        for _ in range(_DEEPEST):
            if kind.name != "gz":
                break
            with _translated(kind):
                content = kind.load().unpack(content, self.bytes_left)
            self.bytes_left -= len(content)
            if name.lower().endswith(".gz"):
                name = name[:-3]
            kind = format_of(name, content)

        if kind.category == "container":
            self._container(kind, place, content, digest)
            return
        parsed = _parse_format(kind, content, self.keep_furniture)
        self.loaded.documents.append(_document(kind, place, name, parsed, digest))
        self.loaded.left_out += parsed.left_out

    def _container(self, kind: Format, place: _FilePlace, content: bytes, digest: str) -> None:
        """Read the files in an archive. Files with the same name get numbers."""
        if place.depth == _DEEPEST:
            raise ParseError("is nested in too many archives")

        loaded = self.loaded
        numbers = Counter[str]()
        count_before = len(loaded.documents) + len(loaded.same)
        with _translated(kind):
            for member in kind.load().parts(content):
                numbers[member.name] += 1
                name = _name_with_number(member.name, numbers[member.name])
                self._member(place.member(name, digest), member)

        count = len(loaded.documents) + len(loaded.same)
        if count == count_before and not loaded.skipped:
            raise ParseError("contains no text")

    def _member(self, place: _FilePlace, member: Member) -> None:
        """Read a file of an archive; one that cannot be read does not stop the others."""
        try:
            if len(place.id) > _LONGEST_ID:
                raise ParseError(f"has a name of {len(place.id):,} characters; shorten it")
            content = member.read(self.bytes_left)
            self.bytes_left -= len(content)
            self.file(place, content)
        except ParseError as error:
            self.loaded.skipped.append((place.source, str(error)))


def _name_with_number(name: str, number: int) -> str:
    """The name of the first file of that name, or of a later one, as "notes (2).txt"."""
    if number == 1:
        return name
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem} ({number}){path.suffix}"))


def _parse_format(kind: Format, content: bytes, keep_furniture: bool) -> Parsed:
    """Parse a file by its format; text is decoded before."""
    with _translated(kind):
        source: bytes | str = content
        if kind.module == "html":
            source = decode_page(content)
        elif kind.category != "binary":
            source = decode(content)

        arguments = [keep_furniture] if kind.module in ("html", "pdf") else []
        parsed: Parsed = kind.load().parse(source, *arguments)
        return parsed


def _document(kind: Format, place: _FilePlace, name: str, parsed: Parsed, digest: str) -> Document:
    """The document of a parsed file. Raises ParseError without text, or with too much of it."""
    text = encodable(parsed.text)
    if not text.strip():
        may_be_scan = kind.name == "pdf" and find_spec("rapidocr") is None
        hint = f"; if it is a scan: {install_line('ocr')}" if may_be_scan else ""
        raise ParseError(f"contains no text{hint}")
    if len(text) > _MOST_CHARACTERS:
        raise ParseError(f"has more than {_MOST_CHARACTERS:,} characters; split it")
    named_blocks = sum(1 for block in parsed.blocks if block.name)
    if named_blocks > _MOST_NAMES:
        raise ParseError(f"has more than {_MOST_NAMES:,} headings and named rows; split it")

    stem = Path(name).stem
    day = max(days(stem.replace("_", "-")), default="")
    values = dict(parsed.metadata)
    made = values.pop(MADE, "")
    if not values.get("date", "").strip():
        values["date"] = day or stated_day(parsed) or made
    metadata = _metadata(values)
    metadata["type"] = kind.name
    title = metadata.pop("title", "") or stem

    return Document(
        id=place.id,
        text=text,
        title=_title_with_day(name_of(title, _LONGEST_NAME), day),
        source=place.source,
        sha256=digest,
        metadata=metadata,
        blocks=with_sentences(text, _short_names(parsed.blocks)),
        pages=parsed.pages,
        container_sha256=place.archive,
    )


def _title_with_day(title: str, day: str) -> str:
    """The title with the day of the file's name, since people distinguish minutes and letters
    by their day, and ask for them by it.
    """
    if not day:
        return title
    has_day = day in days(title.replace(day, ""))
    if has_day:
        return title
    return f"{title} ({day_in_words(day)})"


def _short_names(blocks: Sequence[Block]) -> Sequence[Block]:
    """The blocks, with names that can be encoded, of bounded length."""
    names: list[str] = []
    for block in blocks:
        names.append(block.name)
        names += [column.name for column in block.columns]

    joined_names = "\n".join(names)
    greatest_length = max(map(len, names), default=0)
    if encodable(joined_names) == joined_names and greatest_length <= _LONGEST_NAME:
        return blocks

    short_blocks: list[Block] = []
    for block in blocks:
        columns = [column._replace(name=_short_name(column.name)) for column in block.columns]
        name = _short_name(block.name)
        short_blocks.append(block._replace(name=name, columns=tuple(columns)))
    return tuple(short_blocks)


def _short_name(name: str) -> str:
    """A name that can be encoded, cut at a word if it is too long."""
    if len(name) > _LONGEST_NAME:
        name = name_of(name, _LONGEST_NAME)
    return encodable(name)


def _metadata(values: Mapping[str, str]) -> dict[str, str]:
    """Collapse spaces, normalise dates and languages, and add the year of the date."""
    metadata: dict[str, str] = {}
    for key, value in values.items():
        metadata[encodable(key)] = one_line(encodable(value))[:_LONGEST_VALUE]

    language = metadata.pop("lang", "") or metadata.get("language", "")
    if language:
        without_region = language.replace("_", "-").split("-")[0]
        metadata["language"] = without_region.lower()

    date = iso_date(metadata.get("date", ""))
    if date:
        metadata["date"] = date
    year = only_year(metadata.get("date", ""))
    if year:
        metadata.setdefault("year", year)
    return {key: value for key, value in metadata.items() if value}


@contextmanager
def _translated(kind: Format) -> Iterator[None]:
    """Turn any error into the reason why a file cannot be read; parsers raise all kinds."""
    try:
        yield
    except (ParseError, MemoryError):
        raise
    except RecursionError:
        raise ParseError("is nested too deeply") from None
    except Exception as error:
        message = str(error).strip() or type(error).__name__
        lines = message.splitlines()
        is_traceback = lines[0].startswith("Traceback")
        line = lines[-1] if is_traceback else lines[0]
        reason = _OBJECT.sub("", line)[:200]
        if "bad_alloc" in reason:
            raise MemoryError from error
        raise ParseError(f"is not a readable {kind.name} file: {reason}") from error
