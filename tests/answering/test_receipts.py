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


def ask(engine: Engine, **how: Any) -> Receipt:
    receipt = engine.ask("When did the US leave the deal?", **how).receipt
    assert receipt is not None
    return receipt


def test_a_receipt_names_its_inputs_and_survives_json(engine: Engine) -> None:
    made = ask(engine, read=3, filter=parse(["topic=deal"]))
    assert (made.read, made.filter) == (3, ("topic=deal",))
    assert made.generation == engine.store.stats().generation
    assert made.documents == {"deal": document("The US left the deal in 2018.").sha256}
    assert made.calibration == engine.judge.digest
    assert load(json.loads(json.dumps(plain(made)))) == made
    assert load({"receipt": plain(made), "answer": "2018"}) == made


def test_the_same_index_gives_the_same_answer(engine: Engine) -> None:
    done = replay(engine.ask, ask(engine, filter=parse(["topic=deal"])))
    assert (done.same, done.changed) == (True, ())
    assert done.answer.text == "2018"


def test_a_replay_names_what_changed(engine: Engine) -> None:
    recorded = ask(engine)
    add(
        engine.store,
        dataclasses.replace(document("The US left the deal in 2019.", "deal"), sha256="1" * 64),
        document("New.", "new"),
    )
    done = replay(engine.ask, recorded)
    assert not done.same
    assert "document deal: changed since" in done.changed
    assert "document new: read now, not then" in done.changed
    assert any(line.startswith("index: generation") for line in done.changed)
    engine.store.delete("deal")
    assert "document deal: read then, not now" in replay(engine.ask, recorded).changed
    other = dataclasses.replace(
        recorded, reader="f" * 64, settings={**recorded.settings, "passage_tokens": "90"}
    )
    changed = replay(engine.ask, other).changed
    assert any(line.startswith("reader: ffffffffffff") for line in changed)
    assert "setting passage_tokens: 90 then, 160 now" in changed


def test_another_threshold_is_named_and_refuses(engine: Engine) -> None:
    recorded = ask(engine)
    settings = dataclasses.replace(engine.settings, threshold=1.0)
    strict = build.assemble(settings, engine.store, BagOfWordsEmbedder(), NameReader(), SpanJudge())
    done = replay(strict.ask, recorded)
    assert (done.same, done.answer.text) == (False, None)
    assert "setting threshold: 0.0 then, 1.0 now" in done.changed


def test_a_models_digest_changes_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    digest = model_digest(str(tmp_path))
    model_digest.cache_clear()
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert model_digest(str(tmp_path)) != digest
    assert model_digest("some/model") != model_digest("another/model")
    assert len(model_digest("accurate")) == 64


@pytest.mark.parametrize(
    "found", [{}, [], "x", {"receipt": {}}, {"receipt": None, "question": "q"}]
)
def test_other_input_is_not_a_receipt(found: Any) -> None:
    with pytest.raises(InputError, match="not a receipt"):
        load(found)


@pytest.mark.parametrize(
    ("name", "wrong"), [("documents", []), ("settings", []), ("generation", "x"), ("read", "8")]
)
def test_a_field_of_another_type_is_no_receipt(engine: Engine, name: str, wrong: object) -> None:
    kept = dataclasses.asdict(ask(engine)) | {name: wrong}
    with pytest.raises(InputError, match="not a receipt"):
        load(kept)
