"""Migration copies an index exactly between stores."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag.errors import InputError, StoreError
from rag.protocols import Store
from rag.store.migrate import digest, migrate
from rag.types import Block, Document, Passage
from tests.fakes import document
from tests.postgres import Cluster
from tests.store.helpers import by_lexical, local, postgres, put_text, stored_documents, unit

METADATA = {"k": "v\x00", "ключ": "1"}
BLOCKS = (Block("heading", 0, 3, level=1, name="A > B"), Block("code", 4, 7, 0))
ODD = Document("é/ü.md", "a \x00 b 🐟", "T\x00", "/é", "ab", METADATA, BLOCKS, (0, 4), "s")


@pytest.fixture
def stores(cluster: Cluster, tmp_path: Path) -> Iterator[dict[str, Store]]:
    with closing(postgres(cluster)(tmp_path / "postgres")) as shared:
        yield {"local": local(tmp_path / "local"), "postgres": shared}


def fill(store: Store) -> None:
    for number in range(5):
        put_text(store, f"d{number}", f"Sardines swim in sea {number}. " * 9, topic=f"t{number}")
    store.put(ODD, [Passage(ODD.id, 0, 7, ODD.text, ODD.title, ("A", "B"))], unit(1))


@pytest.mark.parametrize(("source", "target"), [("local", "postgres"), ("postgres", "local")])
def test_everything_is_copied_unchanged(stores: dict[str, Store], source: str, target: str) -> None:
    fill(stores[source])
    stores[source].keep_original("d1", b"%PDF")
    moved = migrate(stores[source], stores[target])
    assert (moved.documents, moved.copied, moved.present) == (6, 6, 0)
    assert (stores[target].original("d1"), stores[target].original("d2")) == (b"%PDF", None)
    assert stored_documents(stores[target]) == stored_documents(stores[source])
    for id in stored_documents(stores[source]):
        ours, theirs = stores[source].embedded(id), stores[target].embedded(id)
        assert ours[0] == theirs[0]
        assert ours[1].tobytes() == theirs[1].tobytes()
    assert by_lexical(stores[target], "sea 3") == by_lexical(stores[source], "sea 3")
    assert migrate(stores[target], stores[source]).digest == moved.digest


def test_an_interrupted_migration_resumes(stores: dict[str, Store]) -> None:
    fill(stores["local"])
    turns = iter(range(3))

    def stop() -> None:
        if next(turns, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(stores["local"], stores["postgres"], stop)
    put_text(stores["postgres"], "d1", "Half a document.")  # the difference is repaired
    moved = migrate(stores["local"], stores["postgres"])
    assert (moved.copied, moved.present) == (3, 3)
    assert stored_documents(stores["postgres"]) == stored_documents(stores["local"])


def test_other_documents_are_not_deleted(stores: dict[str, Store]) -> None:
    fill(stores["local"])
    put_text(stores["postgres"], "other", "Mine.")
    message = "holds 1 documents that the source does not, such as other"
    with pytest.raises(InputError, match=message):
        migrate(stores["local"], stores["postgres"])
    assert set(stored_documents(stores["postgres"])) == {"other"}


def test_a_concurrent_change_is_detected(stores: dict[str, Store]) -> None:
    fill(stores["local"])
    with pytest.raises(StoreError, match="changed during the migration"):
        migrate(
            stores["local"], stores["postgres"], lambda: put_text(stores["local"], "late", "Late.")
        )
    assert migrate(stores["local"], stores["postgres"]).documents == 7


def test_the_digest_covers_every_part(stores: dict[str, Store]) -> None:
    store = stores["local"]
    whole_document = document("Sardines swim.", "a", "a", topic="fish")
    passage, second_passage = (
        Passage("a", 0, 8, "Sardines", "a", ()),
        Passage("a", 9, 14, "swim.", "a", ()),
    )
    vectors = unit(2)
    digests = set()
    for d, passages, rows in [
        (whole_document, [passage], vectors[:1]),
        (whole_document, [passage], vectors[1:]),
        (whole_document, [second_passage], vectors[:1]),
        (whole_document, [passage, second_passage], vectors),
        (document("Sardines swim.", "a", "a", topic="wood"), [passage], vectors[:1]),
        (document("Sardines swim!", "a", "a", topic="fish"), [passage], vectors[:1]),
    ]:
        store.put(d, passages, np.asarray(rows))
        digests.add(digest(store, "a"))
    assert len(digests) == 6
    assert digest(store, "none") == ""
