import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from rag.models.bert import Bert, filler, is_bert, save_weights
from rag.models.device import Arithmetic
from tests import tiny

IDS = [[2, 9, 8, 3], [2, 5, 3], [2, *range(10, 60), 3]]
TYPES = [[0, 0, 1, 1], [0, 0, 0], [0] * 20 + [1] * 32]


@pytest.mark.parametrize("pairs", [True, False])
def test_states_equal_those_of_transformers(tmp_path: Path, pairs: bool) -> None:
    model = AutoModel.from_pretrained(tiny.bert(tmp_path)).eval()
    if pairs:
        inputs = ["input_ids", "token_type_ids"]
        change(tmp_path / "tokenizer_config.json", "model_input_names", inputs)
    computed = Bert(tmp_path).states(IDS, TYPES)
    for ids, types, states in zip(IDS, TYPES, computed, strict=True):
        kinds = torch.tensor([types]) * pairs
        with torch.inference_mode():
            want = model(torch.tensor([ids]), token_type_ids=kinds).last_hidden_state[0]
        assert torch.allclose(states, want, atol=1e-5)


def test_mpnet_states_equal_those_of_transformers(tmp_path: Path) -> None:
    model = AutoModel.from_pretrained(tiny.mpnet(tmp_path)).eval()
    computed = Bert(tmp_path).states([*IDS, list(range(4, 90)) * 5], [*TYPES, [0] * 430])
    for ids, states in zip([*IDS, list(range(4, 90)) * 5], computed, strict=True):
        with torch.inference_mode():
            want = model(torch.tensor([ids])).last_hidden_state[0]
        assert torch.allclose(states, want, atol=1e-5)


def change(path: Path, name: str, value: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))


def test_bf16_is_close(tmp_path: Path) -> None:
    tiny.bert(tmp_path)
    for in_fp32, in_bf16 in zip(
        Bert(tmp_path).states(IDS, TYPES),
        Bert(tmp_path, arithmetic=Arithmetic(bf16=True)).states(IDS, TYPES),
        strict=True,
    ):
        assert in_bf16.dtype == torch.bfloat16
        assert torch.allclose(in_bf16.float(), in_fp32, atol=0.1)


@pytest.mark.parametrize("make", [tiny.bert, tiny.mpnet])
def test_int8_is_close_for_all_weights(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    in_fp32 = Bert(make(tmp_path)).states(IDS, TYPES)
    converted = Bert(tmp_path, Arithmetic(int8=True)).states(IDS, TYPES)
    save_weights(load_file(tmp_path / "model.safetensors"), tmp_path / "model.safetensors")
    stored = Bert(tmp_path, Arithmetic(int8=True)).states(IDS, TYPES)
    for exact_states, *in_int8 in zip(in_fp32, converted, stored, strict=True):
        for states in in_int8:
            assert states.dtype == torch.float32
            assert not torch.equal(states, exact_states)
            assert torch.allclose(states, exact_states, atol=0.15)


@pytest.mark.parametrize("tokens", [16, 64, 65, 128])
def test_rows_of_every_length(tmp_path: Path, tokens: int) -> None:
    bert = Bert(tiny.bert(tmp_path))
    (states,) = bert.states([(IDS[2] * 3)[:tokens]], [[0] * tokens])
    assert states.shape == (tokens, bert.config["hidden_size"])
    assert (tokens + filler(tokens)) % 16 == 0


def test_few_lengths_of_rows() -> None:
    assert len({tokens + filler(tokens) for tokens in range(1, 4097)}) == 67
    assert all(0 <= filler(tokens) < 64 for tokens in range(1, 4097))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_type", "roberta"),
        ("hidden_act", "relu"),
        ("position_embedding_type", "relative_key"),
        ("tokenizer_class", "AlbertTokenizer"),
    ],
)
def test_other_models_are_left_to_transformers(tmp_path: Path, name: str, value: str) -> None:
    tiny.bert(tmp_path)
    file = "tokenizer_config.json" if name == "tokenizer_class" else "config.json"
    change(tmp_path / file, name, value)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_left_to_transformers(tmp_path: Path, name: str) -> None:
    (tiny.bert(tmp_path) / name).unlink()
    assert not is_bert(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_a_broken_file_is_a_value_error(tmp_path: Path, name: str) -> None:
    (tiny.bert(tmp_path) / name).write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=str(tmp_path)):
        Bert(tmp_path)
