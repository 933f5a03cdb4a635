"""Collections in folders and in PostgreSQL are complete or absent, whatever ends the process."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from rag import build
from rag.build import in_collection
from rag.cli.cmd_index import open_both
from rag.errors import AbsentError, BusyError, ConflictError, InputError, NotFoundError
from rag.ingestion.uploads import Done, Upload
from rag.protocols import Store
from rag.settings import Settings
from rag.store.collections import Collections
from rag.store.local.collections import LocalCollections
from rag.store.migrate import migrate
from rag.store.postgres.connection_pool import schema_of
from tests.postgres import Cluster
from tests.store.helpers import EMBEDDER, EXPECT, passages_of, put_text, schema_dsn
from tests.store.postgres.queue_worker import work


def expecting(settings: Settings) -> Settings:
    """Expected metadata for the tests' embedder."""
    tokens = int(EXPECT["passage_tokens"])
    return replace(settings, embedder=EXPECT["embedder"], passage_tokens=tokens)


@pytest.fixture(params=["local", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a default index without collections."""
    if request.param == "local":
        return Settings(index=tmp_path)
    return database(request.getfixturevalue("cluster"), tmp_path)


def database(cluster: Cluster, folder: Path) -> Settings:
    return Settings(index=folder, store=schema_dsn(cluster, folder))


@pytest.fixture
def collections(place: Settings) -> Iterator[Collections]:
    with closing(build.collections(place)) as opened:
        yield opened


def filled(place: Settings, collections: Collections, name: str, text: str) -> Store:
    """The collection's index with a document `a.txt`."""
    stored = collections.inside(collections.named(name), place)
    store = build.store(expecting(stored), EMBEDDER, create=True)
    put_text(store, "a.txt", text)
    return store


def texts(store: Store) -> list[str]:
    """The texts of all passages that a search finds."""
    hits = store.dense(EMBEDDER.embed_queries(["safe"])[0], 100)
    return [passage.text for passage in passages_of(store, hits)]


def test_a_collection_is_created_renamed_and_deleted(
    collections: Collections, place: Settings
) -> None:
    assert collections.all() == []
    created = collections.create("contracts")
    filled(place, collections, "contracts", "mine").close()
    collections.create("archive-2024")
    assert [collection.name for collection in collections.all()] == ["archive-2024", "contracts"]
    renamed = collections.rename("contracts", "leases")
    assert (renamed.id, collections.get("contracts")) == (created.id, None)
    stored = collections.inside(renamed, place)
    with closing(build.store(expecting(stored))) as store:
        assert [document.id for document in store.documents()] == ["a.txt"]
    assert collections.delete("leases").id == created.id
    assert not stored.index.exists()
    assert collections.create("leases").id != created.id


INVALID = ["", ".", "..", "a/b", "A", "default", "-a", "x" * 64, "a\0", "é", ".gone-1", '"; %s']


def test_invalid_taken_and_unknown_names_are_errors(collections: Collections) -> None:
    collections.create("contracts")
    collections.create("other")
    for change in (collections.create, lambda name: collections.rename("contracts", name)):
        with pytest.raises(ConflictError, match="other"):
            change("other")
        for name in INVALID:
            with pytest.raises(InputError):
                change(name)
            assert collections.get(name) is None
    with pytest.raises(NotFoundError, match="did you mean contracts"):
        collections.delete("contract")
    with pytest.raises(NotFoundError):
        collections.rename("nothing-like-it", "new")
    assert {collection.name for collection in collections.all()} == {"contracts", "other"}


def test_collections_share_nothing(collections: Collections, place: Settings) -> None:
    default = build.store(expecting(place), EMBEDDER, create=True)
    put_text(default, "a.txt", "The safe is in Oslo.")
    stores = {"Oslo": default}
    for name, city in (("one", "Lisbon"), ("two", "Nairobi")):
        collections.create(name)
        stores[city] = filled(place, collections, name, f"The safe is in {city}.")
    for city, store in stores.items():
        assert texts(store) == [f"The safe is in {city}."]
        assert store.stats().documents == 1
        assert store.word_counts(["oslo", "lisbon", "nairobi"]) == {city.lower(): 1}
    stores["Lisbon"].delete("a.txt")
    assert texts(stores["Nairobi"]) == ["The safe is in Nairobi."]
    for store in stores.values():
        store.close()


def test_settings_lead_to_the_collection_or_raise(
    collections: Collections, place: Settings
) -> None:
    created = collections.create("contracts")
    settings = in_collection(replace(place, collection="contracts"))
    assert settings == collections.inside(created, place)
    assert in_collection(settings) == settings
    assert in_collection(place) == place
    for name in ("contract", "../contracts", ".."):
        with pytest.raises(NotFoundError):
            in_collection(replace(place, collection=name))


def test_concurrent_changes_lose_nothing(place: Settings, collections: Collections) -> None:
    def change(method: str, *names: str) -> None:
        with closing(build.collections(place)) as opened:
            getattr(opened, method)(*names)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: change("create", f"c{number}"), range(24)))
        list(pool.map(lambda n: change("rename", f"c{n}", f"d{n}"), range(0, 24, 2)))
        list(pool.map(lambda number: change("delete", f"c{number}"), range(1, 24, 2)))
    assert [collection.name for collection in collections.all()] == sorted(
        f"d{number}" for number in range(0, 24, 2)
    )
    folder = place.index / "collections"
    assert not folder.exists() or not [e for e in os.listdir(folder) if e.startswith(".")]


def test_a_store_of_a_deleted_collection_answers_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Its tables no longer exist, and the default index's have the same names."""
    place = database(cluster, tmp_path)
    default = build.store(expecting(place), EMBEDDER, create=True)
    put_text(default, "home.txt", "The safe is in Oslo.")
    with closing(build.collections(place)) as collections:
        contracts = collections.create("contracts")
        stored = expecting(collections.inside(contracts, place))
        store = filled(place, collections, "contracts", "The safe is in Lisbon.")
        queue, upload = build.queue(stored), [Upload("b.txt", "upload:b.txt", b"text")]
        queue.enqueue(upload)
        collections.delete("contracts")
        for use in (
            lambda: texts(store),
            store.documents,
            store.stats,
            lambda: store.document("home.txt"),
            lambda: store.delete("home.txt"),
            lambda: put_text(store, "c.txt", "text"),
            store.vacuum,
            queue.state,
            lambda: queue.enqueue(upload),
            lambda: build.store(stored, EMBEDDER, create=True),
            lambda: build.queue(stored),
        ):
            with pytest.raises(AbsentError):
                use()
    assert texts(default) == ["The safe is in Oslo."]
    schemas = cluster.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rag_coll%'")
    assert schema_of(contracts.id) not in {name for (name,) in schemas}
    for opened in (default, store):
        opened.close()
    queue.close()


def test_a_collection_moves_between_stores(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old_place, new_place = Settings(index=tmp_path / "one"), Settings(index=tmp_path / "two")
    address = schema_dsn(cluster, tmp_path)
    with closing(build.collections(old_place)) as collections:
        collections.create("contracts")
        filled(old_place, collections, "contracts", "The safe is in Lisbon.").close()
    digests = set()
    for source, target in ((str(old_place.index), address), (address, str(new_place.index))):
        moved = migrate(*open_both(source, target, "contracts"))
        assert (moved.documents, moved.copied) == (1, 1)
        digests.add(moved.digest)
    assert len(digests) == 1
    with closing(build.collections(new_place)) as collections:
        store = collections.inside(collections.named("contracts"), new_place)
    assert texts(build.store(expecting(store))) == ["The safe is in Lisbon."]
    for default in (Settings(index=tmp_path, store=address), new_place):
        with pytest.raises(AbsentError):
            build.store(default)
    with pytest.raises(NotFoundError):
        open_both(address, str(tmp_path / "three"), "nowhere")


def test_uploads_are_ingested_by_the_collections_worker(cluster: Cluster, tmp_path: Path) -> None:
    place = database(cluster, tmp_path)
    with closing(build.collections(place)) as collections:
        stores = [collections.inside(collections.create(name), place) for name in ("one", "two")]
    first_queue, second_queue = map(build.queue, stores)
    first_queue.enqueue([Upload("one.txt", "upload:one.txt", b"text")], "batch")
    second_queue.enqueue([Upload("two.txt", "upload:two.txt", b"text")])
    work(stores[0].store, lambda upload: Done("added", (upload.name,)))
    assert first_queue.results("batch") == [("one.txt", Done("added", ("one.txt",)))]
    assert first_queue.state().jobs == ()
    assert [job.name for job in second_queue.state().jobs] == ["two.txt"]
    first_queue.close()
    second_queue.close()


def test_the_next_change_removes_what_a_crash_left(tmp_path: Path) -> None:
    """Kills themselves: eval/chaos/collection_kills.py."""
    collections = LocalCollections(tmp_path)
    remaining = collections.create("kept")
    for name in (".new-1", ".gone-2"):
        (tmp_path / "collections" / name).mkdir()
        (tmp_path / "collections" / name / "rag.sqlite").touch()
    assert collections.all() == [remaining]
    collections.create("last")
    assert sorted(os.listdir(tmp_path / "collections")) == ["kept", "last"]


def test_writers_are_not_disturbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.collections._PATIENCE", 0.05)
    collections = LocalCollections(tmp_path)
    collections.create("contracts")
    with FileLock(collections.folder("contracts") / "lock"):
        for change in (collections.delete, lambda name: collections.rename(name, "leases")):
            with pytest.raises(BusyError, match="contracts"):
                change("contracts")
    collections.delete("contracts")
