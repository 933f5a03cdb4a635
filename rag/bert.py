"""BERT, computed for several texts in one row: no padding, no mask, query, key and value in one product.

For the shipped models, and any other of this kind in a local folder; it needs nothing of transformers, whose import takes
longer than an answer. Devlin et al. 2019, "BERT"; held to transformers' own by tests/test_bert.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention

Weights = Mapping[str, torch.Tensor]
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
_TELLS_PAIRS = {"BertTokenizer": True, "BertTokenizerFast": True, "PreTrainedTokenizerFast": False, "TokenizersBackend": False}
"""Tokenizers, and whether transformers tells the model by itself which text of a pair a token belongs to."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights, (out, in), and bias, (out,)."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return linear(states, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation."""

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return layer_norm(states, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True)
class Layer:
    """One block: every text attends to itself, then each state by itself."""

    query_key_value: Linear
    out: Linear
    attended: Norm
    up: Linear
    down: Linear
    final: Norm
    heads: int

    def __call__(self, states: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        parts = self.query_key_value(states).view(1, len(states), 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        texts = zip(*(torch.split(part, lengths, 2) for part in parts), strict=True)
        seen = torch.cat([scaled_dot_product_attention(*text) for text in texts], 2)
        states = self.attended(states + self.out(seen[0].transpose(0, 1).flatten(1)))
        return self.final(states + self.down(gelu(self.up(states))))


class Bert:
    """The encoder of a folder, with its tokenizer."""

    def __init__(self, folder: Path, bf16: bool = False) -> None:
        """`bf16` halves the work where the processor has it. The folder must be one that `is_bert`.

        Raises OSError, ValueError or KeyError for files that are absent, broken, or hold something else.
        """
        self.config = _json(folder / "config.json")
        self._tells_pairs = _tells_pairs(_json(folder / "tokenizer_config.json"))
        self.tokenizer, found = _loaded(folder)
        self.others = {name: value.float() for name, value in found.items() if not name.startswith("bert.")}
        kind = torch.bfloat16 if bf16 else torch.float32
        prefix = "bert." if any(name.startswith("bert.") for name in found) else ""
        self._build({name.removeprefix(prefix): value.to(kind) for name, value in found.items() if name.startswith(prefix)})

    def _build(self, weights: Weights) -> None:
        self._words, self._places, self._types = (
            weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        self._norm = self._norm_of(weights, "embeddings.LayerNorm")
        self._layers = [self._layer(weights, f"encoder.layer.{n}.") for n in range(self.config["num_hidden_layers"])]

    def _layer(self, weights: Weights, at: str) -> Layer:
        legs = [_linear(weights, f"{at}attention.self.{leg}") for leg in ("query", "key", "value")]
        together = Linear(torch.cat([leg.weight for leg in legs]), torch.cat([leg.bias for leg in legs]))
        return Layer(
            together,
            _linear(weights, f"{at}attention.output.dense"),
            self._norm_of(weights, f"{at}attention.output.LayerNorm"),
            _linear(weights, f"{at}intermediate.dense"),
            _linear(weights, f"{at}output.dense"),
            self._norm_of(weights, f"{at}output.LayerNorm"),
            self.config["num_attention_heads"],
        )

    def _norm_of(self, weights: Weights, at: str) -> Norm:
        return Norm(weights[f"{at}.weight"], weights[f"{at}.bias"], self.config["layer_norm_eps"])

    def states(self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]]) -> tuple[torch.Tensor, ...]:
        """The last states, (tokens, dim), of each text; `ids` and `types` are its tokens and which of a pair they belong to.

        `types` are passed over in a model that was not trained with them.
        """
        more = [0] * filler(sum(len(text) for text in ids))
        ids, types = [*ids, more], [*types, more]
        lengths = [len(text) for text in ids]
        with torch.inference_mode():
            states = (
                embedding(torch.tensor([token for text in ids for token in text]), self._words)
                + embedding(torch.tensor([kind * self._tells_pairs for text in types for kind in text]), self._types)
                + embedding(torch.cat([torch.arange(length) for length in lengths]), self._places)
            )
            states = self._norm(states)
            for layer in self._layers:
                states = layer(states, lengths)
            return torch.split(states, lengths)[:-1]


def filler(tokens: int) -> int:
    """How many tokens to add to a row of so many, so that there are few lengths of rows.

    oneDNN makes a kernel for every shape it meets and keeps it: with rows of ever new lengths a process grew by 760 MiB in 500
    batches, with these by 80 MiB in the first 100 and no more, and took a sixth less time.
    """
    return -tokens % (64 if tokens > 64 else 16)


def _loaded(folder: Path) -> tuple[Tokenizer, Weights]:
    """Raises ValueError for a file that is not what its name says."""
    try:
        tokenizer, weights = Tokenizer.from_file(str(folder / "tokenizer.json")), load_file(folder / "model.safetensors")
    except Exception as error:  # tokenizers raises nothing narrower
        raise ValueError(f"{folder}: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, weights


def _linear(weights: Weights, at: str) -> Linear:
    return Linear(weights[f"{at}.weight"], weights[f"{at}.bias"])


def is_bert(folder: Path) -> bool:
    """Whether this is a local folder with a model that `Bert` computes as it is meant."""
    if not all((folder / name).is_file() for name in _FILES):
        return False
    try:
        config, tokenizer = _json(folder / "config.json"), _json(folder / "tokenizer_config.json")
    except ValueError:
        return False
    meant = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    known = tokenizer.get("tokenizer_class") in _TELLS_PAIRS
    return known and all(config.get(name, value) == value for name, value in meant.items())


def _tells_pairs(tokenizer: Mapping[str, Any]) -> bool:
    names = tokenizer.get("model_input_names")
    return _TELLS_PAIRS[tokenizer["tokenizer_class"]] if names is None else "token_type_ids" in names


def _json(path: Path) -> dict[str, Any]:
    """Raises ValueError if there is no object in the file."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no object")
    return found
