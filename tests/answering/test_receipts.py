import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from rag import build
from rag.answering.receipts import load, model_digest, replay
from rag.engine import Engine
from rag.errors import InputError
from rag.filters import parse
from rag.settings import Settings
from rag.types import Receipt, plain
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge, document
from tests.small_index import add, new_store


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    store, settings = new_store(tmp_path), Settings(index=tmp_path, threshold=0.0)
    add(
        store,
        document("The US left the deal in 2018.", "deal", topic="deal"),
        document("Oman hosted talks.", "oman"),
    )
    return build.assemble(settings, store, BagOfWordsEmbedder(), NameReader(), SpanJudge())


def ask(engine: Engine, **options: Any) -> Receipt:
    receipt = engine.ask("When did the US leave the deal?", **options).receipt
    assert receipt is not None
    return receipt


def test_a_receipt_names_its_inputs_and_survives_json(engine: Engine) -> None:
    receipt = ask(engine, read=3, filter=parse(["topic=deal"]))
    assert (receipt.read, receipt.filter) == (3, ("topic=deal",))
    assert receipt.generation == engine.store.stats().generation
    assert receipt.documents == {"deal": document("The US left the deal in 2018.").sha256}
    assert receipt.calibration == engine.judge.digest
    assert load(json.loads(json.dumps(plain(receipt)))) == receipt
    assert load({"receipt": plain(receipt), "answer": "2018"}) == receipt


def test_the_same_index_gives_the_same_answer(engine: Engine) -> None:
    replayed = replay(engine.ask, ask(engine, filter=parse(["topic=deal"])))
    assert (replayed.same, replayed.changed) == (True, ())
    assert replayed.answer.text == "2018"


def test_a_replay_names_what_changed(engine: Engine) -> None:
    recorded = ask(engine)
    add(
        engine.store,
        dataclasses.replace(document("The US left the deal in 2019.", "deal"), sha256="1" * 64),
        document("New.", "new"),
    )
    replayed = replay(engine.ask, recorded)
    assert not replayed.same
    assert "document deal: changed since" in replayed.changed
    assert "document new: read now, not then" in replayed.changed
    assert any(line.startswith("index: generation") for line in replayed.changed)
    engine.store.delete("deal")
    assert "document deal: read then, not now" in replay(engine.ask, recorded).changed
    of_another_reader = dataclasses.replace(
        recorded, reader="f" * 64, settings={**recorded.settings, "passage_tokens": "90"}
    )
    changed = replay(engine.ask, of_another_reader).changed
    assert any(line.startswith("reader: ffffffffffff") for line in changed)
    assert "setting passage_tokens: 90 then, 160 now" in changed


def test_another_threshold_is_named_and_refuses(engine: Engine) -> None:
    recorded = ask(engine)
    settings = dataclasses.replace(engine.settings, threshold=1.0)
    strict = build.assemble(settings, engine.store, BagOfWordsEmbedder(), NameReader(), SpanJudge())
    replayed = replay(strict.ask, recorded)
    assert (replayed.same, replayed.answer.text) == (False, None)
    assert "setting threshold: 0.0 then, 1.0 now" in replayed.changed


def test_a_models_digest_changes_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    digest = model_digest(str(tmp_path))
    model_digest.cache_clear()
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert model_digest(str(tmp_path)) != digest
    assert model_digest("some/model") != model_digest("another/model")
    assert len(model_digest("accurate")) == 64


@pytest.mark.parametrize(
    "content", [{}, [], "x", {"receipt": {}}, {"receipt": None, "question": "q"}]
)
def test_other_input_is_not_a_receipt(content: Any) -> None:
    with pytest.raises(InputError, match="not a receipt"):
        load(content)


@pytest.mark.parametrize(
    ("name", "wrong"), [("documents", []), ("settings", []), ("generation", "x"), ("read", "8")]
)
def test_a_field_of_another_type_is_no_receipt(engine: Engine, name: str, wrong: object) -> None:
    fields = dataclasses.asdict(ask(engine)) | {name: wrong}
    with pytest.raises(InputError, match="not a receipt"):
        load(fields)
