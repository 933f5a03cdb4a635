from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel, DistilBertConfig, DistilBertModel

from rag.models.packing import without_padding
from tests import tiny


def batch(lengths: list[int], types: bool) -> dict[str, Any]:
    """Random tokens, right-padded, (n, t)."""
    torch.manual_seed(3)
    mask = (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(4, 60, mask.shape) * mask + (1 - mask)
    kinds = (
        {"token_type_ids": (torch.arange(max(lengths))[None] > 3).long() * mask} if types else {}
    )
    return {"input_ids": ids, "attention_mask": mask, **kinds}


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_as_with_padding_and_nothing_where_there_is_padding(kind: str, tmp_path: Path) -> None:
    folder = getattr(tiny, kind)(tmp_path)
    padded, packed = (AutoModel.from_pretrained(folder).eval() for _ in range(2))
    assert without_padding(packed)
    inputs = batch([5, 17, 1, 40, 17], types=kind == "bert")
    with torch.inference_mode():
        want, found = (model(**inputs).last_hidden_state for model in (padded, packed))
    kept = inputs["attention_mask"].bool()
    assert torch.allclose(found[kept], want[kept], atol=1e-5)
    assert not found[~kept].any()


def test_a_text_does_not_see_its_neighbours(tmp_path: Path) -> None:
    model = AutoModel.from_pretrained(tiny.bert(tmp_path)).eval()
    without_padding(model)
    inputs = batch([9, 30], types=True)
    alone = {name: value[:1, :9] for name, value in inputs.items()}
    with torch.inference_mode():
        assert torch.allclose(
            model(**inputs).last_hidden_state[:1, :9], model(**alone).last_hidden_state, atol=1e-5
        )


def test_other_kinds_are_left_as_they_are() -> None:
    small = {
        "vocab_size": 64,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    decoder = BertModel(BertConfig(**small, is_decoder=True))
    other = DistilBertModel(
        DistilBertConfig(vocab_size=64, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    )
    for model in (decoder, other):
        forward = model.forward
        assert not without_padding(model)
        assert model.forward == forward
