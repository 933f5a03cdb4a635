"""The contract of every store. Add new stores to STORES."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from rag.cli.cmd_index import examine
from rag.errors import AbsentError, InputError, StoreError
from rag.filters import OPERATORS, Condition, matches, parse
from rag.protocols import CellRow, Store
from rag.settings import Settings
from rag.types import Block, BlockCell, Column, Document, Passage
from tests.fakes import document
from tests.postgres import Cluster
from tests.store.helpers import (
    EMBEDDER,
    EXPECT,
    Factory,
    both,
    by_dense,
    by_lexical,
    local,
    passages_of,
    postgres,
    put_text,
    put_vectors,
    schema_dsn,
    stored_documents,
    unit,
)

STORES: dict[str, str | None] = {"local": None, "postgres": "cluster", "newer": "newer_cluster"}
"""Each with the fixture of the server it needs."""
SLOW = [HealthCheck.too_slow]


@pytest.fixture(params=["local", "postgres", pytest.param("newer", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> Cluster | None:
    fixture = STORES[request.param]
    return request.getfixturevalue(fixture) if fixture else None


@pytest.fixture
def factory(server: Cluster | None) -> Iterator[Factory]:
    opening: Factory = postgres(server) if server else local
    opened: list[Store] = []

    def make(folder: Path, **options: Any) -> Store:
        opened.append(opening(folder, **options))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(factory: Factory, tmp_path: Path) -> Store:
    return factory(tmp_path / "index")


def test_a_missing_index_is_not_created_by_default(factory: Factory, tmp_path: Path) -> None:
    factory(tmp_path / "other").close()  # makes the place for an index
    with pytest.raises(AbsentError, match="no index in") as caught:
        factory(tmp_path / "index", create=False)
    assert caught.value.hint.startswith("create one with: rag ingest PATH")
    assert not (tmp_path / "index").exists()


@pytest.mark.usefixtures("store")
def test_a_mismatch_names_the_setting(factory: Factory, tmp_path: Path) -> None:
    for name, value in {"embedder": "other", "passage_tokens": "99", "dim": "32"}.items():
        message = f"was made with {name} = {EXPECT[name]}, the settings say {value}"
        with pytest.raises(StoreError, match=message) as caught:
            factory(tmp_path / "index", expect=EXPECT | {name: value})
        assert f"set RAG_{name.upper()}={EXPECT[name]}" in caught.value.hint
    factory(tmp_path / "index", expect={}).close()  # listing and deleting need no embedder


def test_a_document_is_returned_unchanged(store: Store) -> None:
    text = "Naïve 🐟 text,\r\nwith \x00 and a ﬁsh.\n"
    cells = (BlockCell(1, 6, 11), BlockCell(-1, 13, 20))
    blocks = (
        Block("heading", 0, 5, level=1, name="A > B"),
        Block("table", 6, 20, 0, columns=(Column("ü", 6, 11), Column("€"))),
        Block("row", 6, 20, 1, name="row 1", cells=cells),
        Block("list", 21, 25),
        Block("item", 21, 25, 3, marker="–"),
    )
    metadata = {"date": "2026", "ключ": "5"}
    original = Document("é/ü.md", text, "T", "/é/ü.md", "ab", metadata, blocks, (0, 0, 11), "1:2")
    passage = Passage("é/ü.md", 6, 12, text[6:12], "T", ("A", "B"))
    store.put(original, [passage], unit(1))
    assert store.document("é/ü.md") == original
    assert [original.page(offset) for offset in (0, 10, 11, 15)] == [2, 2, 3, 3]
    ((id, _),) = store.dense(unit(1)[0], 5)
    assert store.passages([id, id + 1, -1]) == {id: passage}


def test_documents_are_counted_and_listed_by_id_without_their_text(store: Store) -> None:
    for id in ("b", "a", "c"):
        put_text(store, id, f"About {id}.", topic=id)
    assert [(d.id, d.text, d.metadata) for d in store.documents()] == [
        (id, "", {"topic": id}) for id in "abc"
    ]
    stats = store.stats()
    assert (stats.documents, stats.passages) == (3, 3)
    assert (stats.embedder, stats.dim, stats.passage_tokens) == (EMBEDDER.name, EMBEDDER.dim, 12)
    assert [d.id for d in store.documents("a")] == ["b", "c"]
    assert [d.id for d in store.documents("", 2)] == ["a", "b"]
    assert [d.id for d in store.documents("b", 2)] == ["c"]
    assert store.documents("c", 2) == store.documents("a", 0) == []
    assert store.document("d") is None


def test_an_empty_store_answers_with_nothing(store: Store) -> None:
    assert both(store, "fish") == [set(), set()]
    assert (store.documents(), store.passages([1]), store.cosines(unit(1)[0], [1])) == ([], {}, {})
    assert (store.stats().documents, store.stats().passages, store.stats().generation) == (0, 0, 0)


def test_each_retriever_ranks_the_passage_with_the_words_first(store: Store) -> None:
    put_text(store, "oman", "Oman hosted secret talks.")
    put_text(store, "fish", "Sardines swim.")
    put_text(store, "deal", "The deal was signed.")
    assert by_dense(store, "sardines swim")[0] == "fish"
    assert by_lexical(store, "who signed the deals?") == ["deal"]  # stemmed; nothing else matches
    assert by_lexical(store, "SÍGNED") == ["deal"]
    assert by_lexical(store, "the was of") == []
    assert by_lexical(store, "fish") == ["fish"]  # the title's word


def test_a_deleted_document_never_comes_back(store: Store) -> None:
    put_text(store, "a", "Sardines swim.")
    put_text(store, "b", "Sardines sleep.")
    ids = [id for id, _ in store.dense(EMBEDDER.embed_queries(["sardines"])[0], 9)]
    assert store.delete("a") is True
    assert both(store, "sardines") == [{"b"}, {"b"}]
    assert store.document("a") is None
    assert len(store.passages(ids)) == len(store.cosines(unit(1)[0], ids)) == 1
    assert store.delete("a") is False


def test_a_replaced_document_leaves_nothing_of_the_old(store: Store) -> None:
    put_text(store, "a", "Sardines swim. " * 30, topic="fish")
    put_text(store, "a", "Trees grow.", topic="wood")
    assert both(store, "sardines") == [{"a"}, set()]
    assert store.stats().passages == 1
    assert [(d.text, d.metadata) for d in stored_documents(store).values()] == [
        ("Trees grow.", {"topic": "wood"})
    ]
    gone = parse(["topic=fish"])
    assert store.dense(unit(1)[0], 9, gone) == store.lexical("trees", 9, gone) == []


def test_ids_are_never_used_again(store: Store) -> None:
    used_ids: set[int] = set()
    for _ in range(4):
        put_text(store, "a", "Sardines swim. " * 9)
        ids = {id for id, _ in store.dense(unit(1)[0], 99)}
        assert min(ids) > 0
        assert not ids & used_ids
        used_ids |= ids
        store.delete("a")


def test_dense_is_the_order_of_cosines(store: Store) -> None:
    vectors = unit(300, seed=1)
    for start in range(0, 300, 50):
        texts = [f"row {n}" for n in range(start, start + 50)]
        put_vectors(store, f"d{start}", texts, vectors[start : start + 50])
    question = unit(1, seed=2)[0]
    hits = store.dense(question, 40)
    order = np.argsort(-(vectors @ question))[:40]
    assert [passage.text for passage in passages_of(store, hits)] == [f"row {n}" for n in order]
    np.testing.assert_allclose([score for _, score in hits], (vectors @ question)[order], atol=1e-5)


def test_cosines_are_those_of_the_search(store: Store) -> None:
    put_vectors(store, "a", ["x", "y", "z"], unit(3))
    question = unit(1, seed=5)[0]
    cosines = dict(store.dense(question, 3))
    assert store.cosines(question, [*cosines, 10**9]) == pytest.approx(cosines, abs=1e-6)
    assert store.cosines(question, []) == {}


def test_k_is_a_maximum(store: Store) -> None:
    put_vectors(store, "a", [f"fish number {n}" for n in range(20)], unit(20))
    for k, count in ((0, 0), (1, 1), (7, 7), (10_000, 20)):
        assert len(store.dense(unit(1)[0], k)) == len(store.lexical("fish", k)) == count


def test_the_keys_of_metadata_are_those_of_the_documents(store: Store) -> None:
    assert store.metadata_keys() == frozenset()
    put_vectors(store, "a", ["one"], unit(1), topic="far", year="2024")
    put_vectors(store, "b", ["two"], unit(1), author="Ada")
    assert store.metadata_keys() == {"topic", "year", "author"}
    store.delete("b")
    assert store.metadata_keys() == {"topic", "year"}


@pytest.mark.parametrize("rare", [3, 15, 100, 280])
def test_a_filtered_search_returns_k_where_k_exist(store: Store, rare: int) -> None:
    """The matching passages are the worst, so that filtering after the search would miss them."""
    question = unit(1, seed=3)[0]
    vectors = sorted(unit(300, seed=4), key=lambda row: float(row @ question))
    far_texts = ["fish " + "and other words " * 9] * rare
    put_vectors(store, "far", far_texts, np.stack(vectors[:rare]), topic="far")
    put_vectors(store, "near", ["fish fish"] * (300 - rare), np.stack(vectors[rare:]), topic="near")
    for filter in map(parse, (["topic=far"], ["document=far"], ["document=far", "topic=far"])):
        for hits in (store.dense(question, 10, filter), store.lexical("fish", 10, filter)):
            assert len(hits) == min(10, rare)
            assert {passage.document_id for passage in passages_of(store, hits)} == {"far"}
    assert (
        store.dense(question, 300, parse(["topic=far"]))
        == store.dense(question, 300)[: -(rare + 1) : -1][::-1]
    )


KNOWN = {
    "docs/a.txt": {"year": "2024", "date": "2024-03-15", "type": "txt", "author": "Ada, Bo"},
    "docs/sub/b.pdf": {
        "year": "2023", "date": "2024", "type": "pdf", "n": "-1.5e3", "author": 'Bo\'s "friend"',
    },
    "docs/sub/c": {
        "year": "unknown", "date": "2024-03-02T10:00", "n": "2", "a key": "50%", "'": "_",
    },
    "docs/sub": {},
}  # fmt: skip
KEYS = ["year", "date", "type", "n", "author", "a key", "'", "document", "source", "title", "none"]
_WORDS = (
    "2024 2023.5 2024-03 2024-03-15 2024-03-02T1 -1500 2 02 txt Ada Bo 50% _ docs/sub /docs/sub "
    "docs/sub/ docs doc / docs/a.txt NaN 1e999"
)
VALUES = [*_WORDS.split(), "", "%", 'Bo\'s "friend"']


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Condition, st.sampled_from(KEYS), st.sampled_from(OPERATORS), st.sampled_from(VALUES)
        ),
        max_size=2,
    )
)
@example([])
@example([Condition("a key", "=", "%")])
@example(list(parse(["type=txt", "document=docs/sub/c"])))
@example(list(parse(["date>=2024-03", "source:docs/sub"])))
def test_a_filter_agrees_with_the_reference(store: Store, conditions: list[Condition]) -> None:
    if not store.stats().documents:
        for id, metadata in KNOWN.items():
            put_text(store, id, "Sardines.", **metadata)
    expected = {d.id for d in store.documents() if matches(tuple(conditions), d)}
    filter = tuple(conditions)
    for hits in (store.dense(unit(1)[0], 9, filter), store.lexical("sardines", 9, filter)):
        assert {passage.document_id for passage in passages_of(store, hits)} == expected


PAGES: dict[str, dict[str, list[int]]] = {
    "page=1": {"a": [1], "b": [1]},
    "page=2": {"a": [2, 3]},
    "page=3": {"a": [3, 4]},
    "page>=2": {"a": [2, 3, 4]},
    "page<3": {"a": [1, 2, 3], "b": [1]},
    "page>1 page<=2": {"a": [2, 3]},
    "page=1 document=a": {"a": [1]},
    "page=4": {},
    "page>=1": {"a": [1, 2, 3, 4], "b": [1]},
    "page>3 page<2": {},
}


def test_a_page_filter_selects_passages_with_text_on_it(store: Store) -> None:
    """Four passages of `a`: on its first page, its second, its second and third, and its third."""
    parts = ["Herring one.", "Herring two.", "Herring three is long.", "Herring four."]
    put_vectors(store, "a", parts, unit(4), pages=(0, 13, 34))
    put_vectors(store, "b", parts[:1], unit(1), pages=(0,))
    put_vectors(store, "c", parts[:1], unit(1))
    for texts, expected in PAGES.items():
        filter = parse(texts.split())
        for hits in (store.dense(unit(1)[0], 99, filter), store.lexical("herring", 99, filter)):
            places = [(p.document_id, 1 + parts.index(p.text)) for p in passages_of(store, hits)]
            assert sorted(places) == [(id, n) for id in expected for n in expected[id]], texts


def test_a_new_stamp_changes_nothing_else(store: Store) -> None:
    put_text(store, "a", "Sardines swim.")
    document, generation = store.document("a"), store.stats().generation
    assert document is not None
    store.update_digests({"a": "7:8", "none": "9"})
    assert store.document("a") == replace(document, container_sha256="7:8")
    assert store.documents()[0].container_sha256 == "7:8"
    assert store.stats().generation == generation


WHOLE = document("Sardines swim.", "a", "a", topic="fish")
SAR = Passage("a", 0, 3, "Sar", "a", ())
BAD: dict[str, tuple[Document, Passage]] = {
    "another text": (WHOLE, Passage("a", 0, 8, "Herrings", "a", ())),
    "past the end": (WHOLE, Passage("a", 9, 99, "swim.", "a", ())),
    "before the start": (WHOLE, Passage("a", -5, -1, "swim", "a", ())),
    "an end that is off by one": (WHOLE, Passage("a", 0, 9, "Sardines", "a", ())),
    "a surrogate in the text": (document("Sar\ud800dines", "a", "a"), SAR),
    "a surrogate in the id": (
        document("Sardines", "a\udcff", "a"), replace(SAR, document_id="a\udcff"),
    ),
    "a surrogate in the title": (document("Sardines", "a", "\udcff"), replace(SAR, title="\udcff")),
    "a surrogate in metadata": (document("Sardines", "a", "a", topic="\udcff"), SAR),
    "a surrogate in a heading": (WHOLE, replace(SAR, headings=("\udcff",))),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_uncitable_passages_are_rejected_without_changes(store: Store, case: str) -> None:
    store.put(WHOLE, [Passage("a", 0, 8, "Sardines", "a", ())], unit(1))
    rejected, passage = BAD[case]
    with pytest.raises(InputError):
        store.put(rejected, [Passage(rejected.id, 0, 3, "Sar", "a", ()), passage], unit(2))
    with pytest.raises(ValueError, match="reshape"):  # a wrong number of vectors
        store.put(WHOLE, [SAR], unit(2))
    assert stored_documents(store) == {"a": WHOLE}
    assert (store.stats().generation, store.stats().passages) == (1, 1)
    assert both(store, "sardines") == [{"a"}, {"a"}]


def test_only_changes_raise_the_generation(store: Store, factory: Factory, tmp_path: Path) -> None:
    generations = [store.stats().generation]

    def grew() -> bool:
        generations.append(store.stats().generation)
        return generations[-1] > generations[-2]

    put_text(store, "a", "Sardines.")
    assert grew()
    put_text(store, "a", "Sardines.")
    assert grew()
    both(store, "sardines")
    store.documents()
    with store.writing():
        pass
    assert not grew()
    assert not store.delete("b")
    assert not grew()
    store.delete("a")
    assert grew()
    store.close()
    assert factory(tmp_path / "index").stats().generation == generations[-1]


def test_changes_inside_writing_are_searched_when_it_ends(store: Store) -> None:
    put_text(store, "a", "Sardines.")
    with store.writing():
        put_text(store, "b", "Sardines.")
        with store.writing():
            store.delete("a")
        put_text(store, "c", "Sardines.")
    assert both(store, "sardines") == [{"b", "c"}, {"b", "c"}]


def test_documents_stored_before_an_error_remain(store: Store) -> None:
    def fail() -> None:
        with store.writing():
            put_text(store, "a", "Sardines.")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert both(store, "sardines") == [{"a"}, {"a"}]
    put_text(store, "b", "Sardines.")
    assert both(store, "sardines") == [{"a", "b"}, {"a", "b"}]


def test_readers_see_whole_documents_while_others_write(factory: Factory, tmp_path: Path) -> None:
    """All passages of a document belong to one version, whoever replaces it meanwhile."""
    writer, reader = (factory(tmp_path / "index", wait=30) for _ in range(2))
    texts = {number: f"version{number} herring. " * 20 for number in range(10, 13)}
    passage_count, stop, wrong = (
        len(put_text(writer, "a", texts[10])),
        threading.Event(),
        list[str](),
    )

    def read() -> None:
        while not stop.wait(0.01):
            passages, vectors = reader.embedded("a")
            versions = {word for p in passages for word in p.text.split() if word[0] == "v"}
            if not len(passages) == len(vectors) == passage_count or len(versions) != 1:
                wrong.append(f"{len(passages)} passages of {versions}")
            hits = [*reader.lexical("herring", 99), *reader.dense(unit(1)[0], 99)]
            for passage in reader.passages([number for number, _ in hits]).values():
                if len({word for word in passage.text.split() if word[0] == "v"}) > 1:
                    wrong.append(passage.text)

    def write(name: str) -> None:
        for number, text in texts.items():
            with writer.writing():
                put_text(writer, name, text)
            put_text(writer, f"{name}-{number}", text)
            writer.delete(f"{name}-{number}")  # the other writer of `a` may have done so

    with ThreadPoolExecutor(5) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            for future in [threads.submit(write, name) for name in "aab"]:
                future.result()
        finally:
            stop.set()
        for future in readers:
            future.result()
    assert wrong == []
    assert both(reader, "herring") == [{"a", "b"}, {"a", "b"}]
    assert reader.stats().documents == 2
    assert reader.stats().passages == 2 * passage_count


def test_copies_and_editions_are_seen(store: Store, server: Cluster | None, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    place = Settings(index=folder, store=schema_dsn(server, folder) if server else "local")
    texts = [f"Paragraph {n} speaks of the coast and of sardine {n}." for n in range(6)]
    text = "\n\n".join(texts)
    put_text(store, "a", text)
    put_text(store, "x", "Herring.")
    assert {finding.name: finding.detail for finding in examine(place)}["copies"] == "none"
    put_text(store, "b", text)
    put_text(store, "c", f"{text}\n\nNew.")
    detail = {finding.name: finding.detail for finding in examine(place)}["copies"]
    assert detail.startswith("equal documents: a = b; editions of one document: a ~ c (")
    assert "x" not in detail


class Changes(RuleBasedStateMachine):
    """Random changes compared with a dict from id to text. Each text ends with a unique word."""

    make: Factory

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = self.make(self.folder)
        self.model: dict[str, str] = {}
        self.words = 0

    def teardown(self) -> None:
        self.search()
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(
        id=st.sampled_from("abcd"),
        text=st.text(st.characters(codec="utf-8"), max_size=120),
        times=st.integers(1, 9),
    )
    def put(self, id: str, text: str, times: int) -> None:
        self.words += 1
        self.model[id] = f"{text * times} only{self.words}"
        put_text(self.store, id, self.model[id])

    @rule(id=st.sampled_from("abcd"))
    def delete(self, id: str) -> None:
        assert self.store.delete(id) == (self.model.pop(id, None) is not None)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.make(self.folder)

    @rule()
    def search(self) -> None:
        passages = passages_of(self.store, self.store.dense(unit(1)[0], 10_000))
        assert len(passages) == self.store.stats().passages
        assert {passage.document_id for passage in passages} == set(self.model)
        for passage in passages:
            assert self.model[passage.document_id][passage.start : passage.end] == passage.text
        for word in range(1, self.words + 1):
            doc_freq = {id for id, text in self.model.items() if text.endswith(f" only{word}")}
            assert set(by_lexical(self.store, f"only{word}")) == doc_freq

    @invariant()
    def holds_the_model(self) -> None:
        assert {
            id: document.text for id, document in stored_documents(self.store).items()
        } == self.model


def test_random_changes_agree_with_a_dict(factory: Factory) -> None:
    machine = type("Machine", (Changes,), {"make": staticmethod(factory)})
    few_examples = settings(max_examples=8, stateful_step_count=12, suppress_health_check=SLOW)
    run_state_machine_as_test(machine, settings=few_examples)


def test_passages_are_returned_in_order_with_vectors(store: Store) -> None:
    put_vectors(store, "other", ["x"], unit(1, seed=5))
    put_vectors(store, "a", ["one", "two", "three"], unit(3))
    passages, vectors = store.embedded("a")
    assert [(p.document_id, p.text) for p in passages] == [
        ("a", t) for t in "one two three".split()
    ]
    np.testing.assert_array_equal(vectors, unit(3))
    passages, vectors = store.embedded("absent")
    assert (passages, vectors.shape) == ([], (0, 64))


def test_a_trace_counts_a_document_in_each_part(store: Store) -> None:
    with store.writing():
        put_vectors(store, "a", ["one fish", "two fish", "red fish"], unit(3))
        put_text(store, "b", "Blue fish.")
    trace = store.trace("a")
    assert (trace.documents, trace.passages, trace.vectors, trace.words) == (1, 3, 3, 3)
    assert len(trace.numbers) == 3
    store.delete("a")
    store.vacuum()
    trace_after = store.trace("a", trace.numbers)
    assert (
        trace_after.documents,
        trace_after.passages,
        trace_after.vectors,
        trace_after.words,
    ) == (0, 0, 0, 0)
    assert trace_after.numbers == trace.numbers
    assert store.trace("never").passages == 0
    assert both(store, "fish") == [{"b"}, {"b"}]


def test_words_are_counted_by_passages(store: Store) -> None:
    put_text(store, "a", "A fish. Fishes swim.")
    put_text(store, "b", "One fish, two boats.")
    counts = store.word_counts(["fish", "boat", "absent"])
    assert set(counts) == {"fish", "boat"}
    assert counts["fish"] >= counts["boat"] >= 1
    assert store.word_counts([]) == {}


def test_a_file_is_kept_until_its_document_is_replaced_or_deleted(store: Store) -> None:
    put_text(store, "a", "Sardines swim.")
    put_text(store, "b", "Herrings swim.")
    assert store.original("a") is None
    assert store.trace("a").originals == 0
    generation = store.stats().generation
    store.keep_original("a", b"%PDF \x00 one")
    store.keep_original("b", b"%PDF b")
    store.keep_original("a", b"%PDF two")
    store.keep_original("nobody's", b"%PDF")
    assert store.stats().generation == generation
    assert (store.original("a"), store.original("b")) == (b"%PDF two", b"%PDF b")
    assert store.original("nobody's") is None
    assert store.trace("a").originals == 1
    put_text(store, "a", "Sardines swim far.")
    assert store.original("a") is None
    store.delete("b")
    store.vacuum()
    assert (store.original("b"), store.trace("b").originals) == (None, 0)


def test_a_grid_keeps_its_cells_in_order(store: Store) -> None:
    put_text(store, "a", "one")
    put_text(store, "b", "two")
    assert (store.grids(), store.cells("leases"), store.delete_grid("leases")) == ({}, [], False)
    assert store.put_cells("leases", [CellRow("a", "End", ("a",), "{}")]) == 0
    generation = store.stats().generation
    store.put_grid("leases", '{"rows": "ü\\u0000"}')
    store.put_grid("b", "{}")
    store.put_grid("b", '{"x": 1}')
    rows = [
        CellRow("a", "End", ("a",), '{"value": "\\u0000 é"}'),
        CellRow("*", "End", ("a", "b"), '{"value": "2"}'),
        CellRow("*", "Rent", (), '{"value": "3"}'),
    ]
    assert store.put_cells("leases", rows) == 3
    stored_cells = store.cells("leases")
    assert [row._replace(number=0) for row in stored_cells] == rows
    assert sorted({row.number for row in stored_cells}) == [row.number for row in stored_cells]
    changed = stored_cells[1]._replace(record='{"value": "4"}', documents=("b",))
    assert store.put_cells("leases", [changed]) == 1
    assert store.cells("leases")[1] == changed
    assert store.put_cells("b", [changed]) == 0, "another grid's cell"
    assert store.grids() == {"b": '{"x": 1}', "leases": '{"rows": "ü\\u0000"}'}
    assert store.stats().generation == generation
    assert store.delete_grid("leases")
    assert (store.cells("leases"), list(store.grids())) == ([], ["b"])


def test_cells_hold_nothing_of_a_deleted_document(store: Store) -> None:
    put_text(store, "a", "one")
    put_text(store, "b", "two")
    store.put_grid("leases", "{}")
    rows = [CellRow("a", "End", ("a",), '{"value": "secret"}')]
    rows += [CellRow("*", "End", ("b", "a"), '{"value": "secret"}')]
    rows += [CellRow("*", "Rent", ("b",), '{"value": "public"}')]
    store.put_cells("leases", rows)
    assert store.trace("a").cells == 2
    put_text(store, "a", "another text")
    assert store.trace("a").cells == 2, "a replaced document's answers are compared with the new"
    store.delete("a")
    remaining = store.cells("leases")
    assert [row.documents for row in remaining] == [("a",), ("b", "a"), ("b",)]
    assert [row.record.startswith('"20') for row in remaining] == [True, True, False]
    assert "secret" not in str(remaining)
    assert (store.trace("a").cells, store.trace("b").cells) == (0, 1)
    assert store.put_cells("leases", rows) == 1, "only the cell that does not quote it"
    assert store.put_cells("leases", [remaining[0]._replace(record='{"value": "secret"}')]) == 0
    put_text(store, "a", "back again")
    assert store.put_cells("leases", [remaining[0]._replace(record='{"value": "secret"}')]) == 0


def test_a_document_may_replace_another_and_takes_over_its_cells(store: Store) -> None:
    passages = put_text(store, "old", "one")
    put_text(store, "other", "two")
    store.put_grid("leases", "{}")
    rows = [CellRow("old", "End", ("old",), "{}"), CellRow("*", "End", ("other", "old"), "{}")]
    store.put_cells("leases", [*rows, CellRow("old", "End", ("other",), "{}")])
    moved = replace(document("one", "new"), source="/new")
    store.put(moved, [replace(p, document_id="new") for p in passages], unit(len(passages)), "old")
    assert [(row.row, row.documents) for row in store.cells("leases")] == [
        ("new", ("new",)),
        ("*", ("other", "new")),
        ("old", ("other",)),
    ]
    assert set(stored_documents(store)) == {"new", "other"}
    assert store.stats().documents == 2
    assert both(store, "one") == [{"new", "other"}, {"new"}]
