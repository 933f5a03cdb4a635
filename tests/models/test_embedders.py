import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ModelError
from rag.models.bert import write_fp32
from rag.models.device import Arithmetic
from rag.models.embedders import MeanEmbedder, is_mean
from rag.models.registry import EMBEDDER, embedder_path
from rag.protocols import Vectors
from tests import tiny

TEXTS = ["when was it signed?", "a", "", "oman hosted the talks. " * 40, "iran and the US"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.embedder(tmp_path)


def test_the_current_layout_is_read(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    from sentence_transformers import SentenceTransformer

    written = tmp_path_factory.mktemp("now")
    theirs = SentenceTransformer(str(folder), device="cpu")
    theirs.save_pretrained(str(written), create_model_card=False)
    assert "max_seq_length" not in json.loads((written / "sentence_bert_config.json").read_text())
    assert is_mean(written)
    vectors, rewritten_vectors = (
        MeanEmbedder("tiny", path).embed_passages(TEXTS) for path in (folder, written)
    )
    assert np.allclose(vectors, rewritten_vectors, atol=1e-6)


def test_vectors_have_unit_length_in_any_batch(folder: Path) -> None:
    embedder = MeanEmbedder("tiny", folder)
    batched = embedder.embed_passages(TEXTS)
    assert batched.shape == (len(TEXTS), embedder.dim)
    assert batched.dtype == np.float32
    assert np.linalg.norm(batched, axis=1) == pytest.approx(1, abs=1e-5)
    one_by_one = np.concatenate([embedder.embed_queries([text]) for text in TEXTS])
    assert np.allclose(batched, one_by_one, atol=1e-5)
    assert embedder.embed_passages([]).shape == (0, embedder.dim)


def test_a_question_is_embedded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = MeanEmbedder("tiny", folder)
    sent: list[str] = []
    embed = embedder.embed_passages

    def embed_passages(texts: Sequence[str]) -> Vectors:
        sent.extend(texts)
        return embed(texts)

    monkeypatch.setattr(embedder, "embed_passages", embed_passages)
    vectors = embedder.embed_queries(["one", "two", "one"])
    repeated = embedder.embed_queries(["three", "two", "one"])
    assert sent == ["one", "two", "three"]
    assert np.array_equal(vectors[[1, 0]], repeated[1:])
    two_hundred = embedder.embed_queries([f"question {number}" for number in range(200)])
    assert two_hundred.shape == (200, embedder.dim)
    assert embedder.embed_queries([]).shape == (0, embedder.dim)


def test_more_than_a_batch_keeps_its_order(folder: Path) -> None:
    embedder = MeanEmbedder("tiny", folder)
    texts = [f"{'word ' * (number % 30)}{number}" for number in range(200)]
    in_batch, by_itself = embedder.embed_passages(texts)[-1], embedder.embed_passages(texts[-1:])[0]
    assert np.allclose(in_batch, by_itself, atol=1e-5)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("modules.json", [{"type": "sentence_transformers.models.Transformer"}]),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}),
        ("config_sentence_transformers.json", {"prompts": {"query": "query: "}}),
        ("sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": True}),
        ("sentence_bert_config.json", {}),
    ],
)
def test_others_are_left_to_sentence_transformers(folder: Path, file: str, content: object) -> None:
    assert is_mean(folder)
    (folder / file).write_text(json.dumps(content))
    assert not is_mean(folder)


def test_a_broken_model_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="RAG_EMBEDDER"):
        MeanEmbedder("tiny", folder)


@pytest.mark.slow
def test_the_shipped_embedder_equals_sentence_transformers(tmp_path: Path) -> None:
    from rag.models.embedders import SentenceTransformerEmbedder

    shipped = Path(embedder_path(EMBEDDER)[0])
    assert is_mean(shipped)
    assert not is_mean(tmp_path)
    write_fp32(shipped, tmp_path)
    theirs = SentenceTransformerEmbedder(str(tmp_path))
    ours = MeanEmbedder(EMBEDDER, shipped)
    texts = [*TEXTS, "Łódź, naïve café — 12 000 €", "漢字 and ASCII", "long " * 400]
    assert ours.count_tokens(texts) == theirs.count_tokens(texts)
    for method in ("embed_passages", "embed_queries"):
        cosines = (getattr(ours, method)(texts) * getattr(theirs, method)(texts)).sum(1)
        assert cosines == pytest.approx(1, abs=1e-4)
    in_bf16 = MeanEmbedder(EMBEDDER, shipped, arithmetic=Arithmetic(bf16=True))
    assert (in_bf16.embed_passages(texts) * ours.embed_passages(texts)).sum(1).min() > 0.999


def test_a_partial_copy_is_no_model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    partial_copy = tmp_path_factory.mktemp("part")
    shutil.copytree(folder, partial_copy, dirs_exist_ok=True)
    (partial_copy / "1_Pooling" / "config.json").unlink()
    assert not is_mean(partial_copy)
