"""Grids with small real parts: runs, interruptions, changes and exports."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import openpyxl
import pytest

from rag import build
from rag.answering.candidate import Candidate
from rag.answering.compose import Ranked, Ruling
from rag.answering.reading import Reading
from rag.desk import grid as grids
from rag.desk import grid_export, grid_run
from rag.desk.cell_judge import CellDocument, CellReading, values
from rag.desk.grid_file import TYPES, GridColumn, GridSpec, definition
from rag.engine import Engine
from rag.errors import InputError
from rag.meaning.vectors import TextVectors
from rag.models.cascade import Cascade
from rag.models.reader import ExtractiveReader
from rag.protocols import ReaderOutput
from rag.query import Query
from rag.settings import Settings
from rag.types import Document, Hit, Place
from tests import tiny
from tests.answering.readings import Prefers, composed, reading_of
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge, document
from tests.small_index import add, new_store

COLUMNS = [
    {"name": "End", "question": "When does the lease end?", "type": "date"},
    {"name": "Tenant", "question": "Who rents the house?"},
]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    store = new_store(tmp_path)
    settings = Settings(index=tmp_path, embedder="bag-of-words", threshold=0.15)
    yield build.assemble(settings, store, BagOfWordsEmbedder(), NameReader(), SpanJudge())
    store.close()


def grid(engine: Engine, **values: object) -> GridSpec:
    spec = definition({"name": "leases", "columns": COLUMNS, **values}, "the test")
    grids.save(engine.store, spec)
    return spec


def run(engine: Engine) -> grids.Grid:
    """The grid after its cells have been asked."""
    grid_run.run(engine, "leases")
    return grids.load(engine.store, "leases")


def lease(number: int, year: int = 2030, **metadata: str) -> Document:
    return document(
        f"The lease ends in {year}. Ada rents the house.", f"l/{number:05}.txt", **metadata
    )


def test_only_what_changed_is_asked_again(engine: Engine) -> None:
    add(engine.store, lease(1), lease(2))
    grid(engine, all_documents=True)
    assert grid_run.run(engine, "leases") == 6
    assert grid_run.run(engine, "leases") == 0
    add(engine.store, lease(2, 2040))
    assert grid_run.run(engine, "leases") == 4, "its own cells and those of the whole index"
    add(engine.store, lease(3))
    spec = grid(engine, columns=[COLUMNS[0], {**COLUMNS[1], "question": "Who lives there?"}])
    assert grid_run.run(engine, "leases") == 4, "a new row, and a new question for two"
    assert len(grids.load(engine.store, spec.name).cells) == 8


class _Counting(NameReader):
    """Counts the questions that it reads."""

    questions = 0

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        self.questions += len(questions)
        return super().read_many(questions)


class _SureOf2030(SpanJudge):
    """Is undecided about everything but one year."""

    def probabilities(self, candidates: Sequence[Candidate], reading: Reading) -> list[float]:
        texts = [
            candidate.span.best.span.text if candidate.span else "" for candidate in candidates
        ]
        return [0.99 if "2030" in text else 0.5 for text in texts]


def test_the_large_reader_reads_what_the_small_one_does_not_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_reader, large_reader = _Counting(), _Counting()
    monkeypatch.setattr(build, "judge", lambda settings: _SureOf2030())
    settings = Settings(index=tmp_path, embedder="bag-of-words", threshold=0.6)
    store = new_store(tmp_path)
    engine = build.assemble(
        settings, store, BagOfWordsEmbedder(), Cascade(small_reader, large_reader, 3)
    )
    columns = [{"name": "End", "question": "When does the lease end?"}]
    add(store, lease(1, 2030), lease(2, 2041))
    grid(engine, columns=columns)
    grid_run.run(engine, "leases")
    assert (small_reader.questions, large_reader.questions) == (3, 1), (
        "the small one again, in the cascade"
    )
    grid(engine, columns=columns, rows="folders")
    grid_run.run(engine, "leases")
    assert (small_reader.questions, large_reader.questions) == (4, 2), (
        "several documents are a question"
    )
    store.close()


def test_documents_change_and_vanish_while_a_grid_runs(engine: Engine) -> None:
    add(engine.store, *(lease(number) for number in range(4)))
    grid(engine)
    batches = grid_run.in_batches(engine, "leases", 2)
    next(batches)
    engine.store.delete("l/00001.txt")
    add(engine.store, lease(2, 2050))
    assert sum(count for _, _, count in batches) == 6
    finished_grid = grids.load(engine.store, "leases")
    assert [row.key for row in finished_grid.rows] == ["l/00000.txt", "l/00002.txt", "l/00003.txt"]
    assert finished_grid.counts["waiting"] == 0
    cell = finished_grid.cell("l/00002.txt", "End")
    stored = engine.store.document("l/00002.txt")
    assert stored
    assert (cell.value, cell.quotes[0].sha256) == ("2050", stored.sha256)
    assert grid_run.run(engine, "leases") == 0


def test_an_empty_document_is_unreadable(engine: Engine) -> None:
    add(engine.store, lease(1), document(" ", "l/empty.txt"))
    grid(engine)
    states = run(engine).counts
    assert (states["unreadable"], states["waiting"]) == (2, 0)


def test_rows_are_folders_or_values_of_metadata(engine: Engine) -> None:
    add(engine.store, lease(1, city="Oslo"), lease(2, city="Oslo, Bergen"))
    add(engine.store, document("Another lease ends in 2031.", "m/x.txt"))
    documents = engine.store.documents()
    rows = [row.key for row in grids.rows_of(grid(engine, rows="folders"), documents)]
    assert rows == ["l", "m"]
    spec = grid(engine, rows="metadata:city", filter=["source:l"], all_documents=True)
    assert [row.key for row in grids.rows_of(spec, documents)] == ["Bergen", "Oslo", "*"]
    (quote, *_) = run(engine).cell("Bergen", "End").quotes
    assert quote.document_id == "l/00002.txt"


def test_a_rating_stays_while_the_answer_says_the_same(engine: Engine) -> None:
    add(engine.store, lease(1))
    grid(engine)
    grid_run.run(engine, "leases")
    grids.rate(engine.store, "leases", "l/00001.txt", "End", "confirmed")
    add(engine.store, document("The lease ends in 2030. Ada rents the house. More.", "l/00001.txt"))
    assert run(engine).cell("l/00001.txt", "End").rating
    add(engine.store, lease(1, 2041))
    assert not run(engine).cell("l/00001.txt", "End").rating


def test_a_list_of_grids_reads_no_answers(engine: Engine) -> None:
    add(engine.store, lease(1), lease(2), document("Nothing.", "l/3.txt"))
    grid(engine, all_documents=True)
    grid_run.run(engine, "leases")
    add(engine.store, lease(2, 2040))
    grid_run.run(engine, "leases")
    engine.store.delete("l/00001.txt")
    loaded, (brief,) = grids.load(engine.store, "leases"), grids.summaries(engine.store)
    assert (brief.counts, len(brief.rows)) == (loaded.counts, len(loaded.rows))
    assert len(brief.changes()) == len(loaded.changes()) > 0
    assert loaded.counts["answered"] > 0


@pytest.mark.parametrize("record", ["{", "[]", "{}", '{"definition": {"name": "leases"}}'])
def test_a_damaged_definition_is_named_and_can_be_replaced(engine: Engine, record: str) -> None:
    add(engine.store, lease(1))
    engine.store.put_grid("leases", record)
    for look in (grids.load, grids.spec_of, lambda store, _: grids.summaries(store)):
        with pytest.raises(InputError, match="grid leases") as caught:
            look(engine.store, "leases")
        assert "rag grid delete leases" in caught.value.hint
    (refreshed,) = grid_run.refresh(engine.store, lambda: engine)
    assert "grid leases" in refreshed.error
    grid(engine)
    assert grid_run.run(engine, "leases") == 2


def test_ten_thousand_rows_take_seconds(engine: Engine) -> None:
    engine.store.put_grid("leases", "{}")
    spec = grid(engine)
    documents = [lease(number) for number in range(10_000)]
    rows = grids.rows_of(spec, documents)
    blank = grids.Cell("", "End", "absent", "", 0.1, "", grids.now())
    cells = {(row.key, "End"): blank for row in rows}
    started = time.monotonic()
    large_grid = grids.Grid(spec, rows, cells)
    counts = {state: count for state, count in large_grid.counts.items() if count}
    assert counts == {"absent": 10_000, "waiting": 10_000}
    assert len(grid_run.due_cells(large_grid)) == 20_000
    assert grid_export.to_csv(large_grid, {}).count("\n") == 10_001
    assert time.monotonic() - started < 60


def test_no_format_computes_a_documents_words(engine: Engine, tmp_path: Path) -> None:
    evil = "=HYPERLINK(1) <script>alert(1)</script> | \x07"
    add(engine.store, document("The lease ends in 2030.", "=cmd.txt", title=evil))
    grid(engine, columns=[{**COLUMNS[0], "name": "+End"}])
    grid_run.run(engine, "leases")
    grids.rate(engine.store, "leases", "=cmd.txt", "+End", "corrected", evil)
    loaded = grids.load(engine.store, "leases")
    rows = list(csv.reader(io.StringIO(grid_export.to_csv(loaded, {}))))
    assert rows[1][0] == "'=cmd.txt"
    assert all(not field.startswith(("=", "+", "-", "@")) for row in rows for field in row)
    book = openpyxl.load_workbook(io.BytesIO(grid_export.to_xlsx(loaded, {})))
    types = {cell.data_type for sheet in book for row in sheet for cell in row}
    assert types <= {"s", "n", "inlineStr"}
    assert grid_export._as_plain_field("a;=cmd()\n@x") == "a;'=cmd()\n'@x"
    assert grid_export._as_plain_field("＝cmd()") == "'＝cmd()"
    assert grid_export._as_plain_field("a = b; c") == "a = b; c"
    assert "<script" not in grid_export.to_html(loaded, {})
    assert "<script" not in grid_export.to_markdown(loaded, {})
    assert "\\|" in grid_export.to_markdown(loaded, {})


def test_a_full_disk_loses_no_answers(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    add(engine.store, lease(1))
    grid(engine)
    finished = run(engine)
    with pytest.raises(InputError, match="its folder does not exist"):
        grid_export.check_path(Path("/dev/full/x.csv"))
    monkeypatch.setitem(grid_export.WRITERS, "", grid_export.to_csv)
    with pytest.raises(InputError, match="/dev/full cannot be written: No space left"):
        grid_export.write(finished, Path("/dev/full"), {})
    assert grids.load(engine.store, "leases").counts["answered"] == 2


def test_a_column_of_yes_and_no_says_on_a_condition(tmp_path: Path) -> None:
    store = new_store(tmp_path / "index")
    add(store, document("Dogs may swim on Sundays. Bring a towel.", "pool"))
    reader = ExtractiveReader(str(tiny.four_verdicts(tmp_path)))
    settings = Settings(index=tmp_path / "index", embedder="bag-of-words", threshold=0.15)
    pool = build.assemble(settings, store, BagOfWordsEmbedder(), reader, Prefers("yes_no"))
    column = {"name": "Dogs", "question": "May dogs swim?", "type": "yes_no"}
    grid(pool, columns=[column], all_documents=True)
    cell = run(pool).cells["pool", "Dogs"]
    assert (cell.state, cell.value) == ("answered", "on a condition")
    assert cell.typed is not None
    assert cell.typed.verdict == "condition"
    assert cell.quotes
    store.close()


def test_only_a_column_of_yes_and_no_has_a_verdict(engine: Engine) -> None:
    """Although the likeliest candidate is one, in one document and in several."""
    pool = document("Ask Ada by 3 May 2030. Otherwise ask Bo by 4 May 2030 for £5.", "pool")
    add(engine.store, pool)
    reading = reading_of(pool, [1.0, 0.0], question="Whom do I ask?")
    first, second = [Place("pool", sentence.start, sentence.end) for sentence in reading.scored]
    ranked = [
        Ranked(Candidate("yes_no", "yes_no", (first,), verdict="yes"), 0.9),
        Ranked(Candidate("sentences", "sentences", (second,)), 0.6),
    ]
    answer = composed(reading, Ruling(SpanJudge(), 0.5, 3), ranked, form="yes_no")
    assert answer.verdict == "yes"
    (found,) = engine.find_many([Query("Whom do I ask?")])
    source = CellDocument(pool, TextVectors(engine.retriever.embedder.embed_passages))

    for kind in TYPES:
        column = GridColumn("Who", "Whom do I ask?", kind)
        vector = found.retrieved.vector
        of_one = values(CellReading(column.question, vector, kind, source, reading, ranked))
        row = grids.GridRow(grids.ALL, "all documents", ())
        of_several = grid_run.cell(engine, grid_run.Due(row, column, None), answer, found)
        if kind == "yes_no":
            assert of_one[0].text == of_several.value == "yes"
        else:
            (of_second,) = of_one
            assert of_second.text == of_several.value == pool.text[second.start : second.end]
