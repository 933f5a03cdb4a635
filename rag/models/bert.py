"""BERT and MPNet, computed for several texts in one row: no padding; query, key and value in one
product.

For the shipped models, and others of these kinds in a local folder. It needs nothing of
transformers, whose import takes longer than an answer. Devlin et al. 2019, "BERT"; Song et al.
2020, "MPNet", which adds to the attention a bias for the distance between two tokens (Raffel et al.
2020, "T5"). A test compares both with transformers.

Weights files have 8 bits per number, a quarter of the size of fp32. Each row of a matrix has its
own scale (per-channel symmetric quantisation; Wu et al. 2020, "Integer quantization for deep
learning inference", section 3.2.2). In the safetensors file a matrix is int8 under its own name,
with its scales under that name and `SCALE`; vectors stay in half precision. The model computes in
floating point, with matrices that are converted at load, or in integers, with `Int8Linear`, on the
mapped file, which the processes of a machine share.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention

from rag.models.device import ON_CPU, Arithmetic, Int8Linear, quantised

SCALE = ".scale"
_MIN_SIZE = 4096
"""Smaller matrices, such as heads, stay in half precision: they are sensitive and save little."""


def load_weights(
    path: Path, kinds: Callable[[str], torch.dtype] = lambda name: torch.float32
) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file by name; 8-bit ones are converted one by one to the type that
    `kinds` gives for the name, others are unchanged. An 8-bit one that stays int8 has its scales
    under its name and `SCALE`.

    Raises OSError, or safetensors' error for a broken file.
    """
    tensors = load_file(path)
    for name in [name for name in tensors if name.endswith(SCALE)]:
        scale, matrix = tensors.pop(name), name.removesuffix(SCALE)
        kind = kinds(matrix)
        if kind is torch.int8:
            tensors[name] = scale.float()
        else:
            tensors[matrix] = (tensors[matrix].float() * scale.float()[:, None]).to(kind)
    return tensors


def save_weights(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write matrices in 8 bits per number, and everything else in half precision."""
    stored: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        if value.ndim == 2 and value.numel() >= _MIN_SIZE:
            stored[name], stored[name + SCALE] = quantised(value.float())
        else:
            stored[name] = value.half().contiguous()
    save_file(stored, path, {"format": "pt"})


Weights = Mapping[str, torch.Tensor]
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
_BERT_TOKENIZERS = {"BertTokenizer", "BertTokenizerFast"}
"""By default, the model receives the token types of a text pair only from these."""
_ANY_TOKENIZERS = {"PreTrainedTokenizerFast", "TokenizersBackend"}
_TOKENIZERS = {
    "bert": _BERT_TOKENIZERS | _ANY_TOKENIZERS,
    "mpnet": {"MPNetTokenizer", "MPNetTokenizerFast"} | _ANY_TOKENIZERS,
}
_ATTENTION = {
    "bert": ("self.query", "self.key", "self.value", "output.dense", "output.LayerNorm"),
    "mpnet": ("attn.q", "attn.k", "attn.v", "attn.o", "LayerNorm"),
}
"""Names of an attention's query, key, value, output and norm, by architecture."""
_INT8_PARTS = ("encoder.layer.", "word_embeddings.")
"""Names of the matrices that stay in 8 bits for integer arithmetic: nearly all of a model."""
_DISTANCES = 128
"""Tokens at least this far apart share a bias in MPNet."""


class Linear(NamedTuple):
    """A linear layer in floating point: `weight`, shape (out, in), and `bias`, shape (out,)."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return linear(states, self.weight, self.bias)


class Norm(NamedTuple):
    """Layer normalisation."""

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return layer_norm(states, self.weight.shape, self.weight, self.bias, self.eps)


class Layer(NamedTuple):
    """One block: attention within each text, then a feed-forward layer per state."""

    query_key_value: Linear | Int8Linear
    out: Linear | Int8Linear
    attended: Norm
    up: Linear | Int8Linear
    down: Linear | Int8Linear
    final: Norm
    heads: int

    def __call__(
        self, states: torch.Tensor, lengths: list[int], bias: torch.Tensor | None
    ) -> torch.Tensor:
        """`bias`, shape (1, heads, longest, longest), is added to the attention scores."""
        parts = self.query_key_value(states).view(1, len(states), 3, self.heads, -1)
        texts = (torch.split(part, lengths, 2) for part in parts.permute(2, 0, 3, 1, 4))
        masks = [None if bias is None else bias[..., :n, :n] for n in lengths]
        attended = map(scaled_dot_product_attention, *texts, masks)
        context = torch.cat([*attended], 2)
        states = self.attended(states + self.out(context[0].transpose(0, 1).flatten(1)))
        return self.final(states + self.down(gelu(self.up(states))))


class Bert:
    """The encoder in a folder, with its tokenizer."""

    def __init__(self, folder: Path, arithmetic: Arithmetic = ON_CPU) -> None:
        """`is_bert` must hold for the folder.

        Raises OSError, ValueError or KeyError for missing, broken or unexpected files.
        """
        self.config = _json(folder / "config.json")
        tokenizer = _json(folder / "tokenizer_config.json")
        inputs = tokenizer.get("model_input_names")
        if inputs is None:
            is_berts = tokenizer.get("tokenizer_class") in _BERT_TOKENIZERS
            inputs = ["token_type_ids"] if is_berts else []
        self._has_token_types = "token_type_ids" in inputs
        self._kind = self.config["model_type"]
        self.tokenizer, weights = _loaded(folder, self._kind, arithmetic)
        prefix, self._device = f"{self._kind}.", torch.device(arithmetic.device)
        self.others = {
            name: value.float().to(self._device)
            for name, value in weights.items()
            if not name.startswith(prefix)
        }
        prefix = prefix if len(self.others) < len(weights) else ""
        tensors = {
            name.removeprefix(prefix): value.to(
                self._device, arithmetic.dtype if value.is_floating_point() else None
            )
            for name, value in weights.items()
            if name.startswith(prefix)
        }
        self._build(tensors, arithmetic.int8)

    def _build(self, weights: Weights, int8: bool) -> None:
        def parts(name: str) -> tuple[torch.Tensor, torch.Tensor]:
            return weights[f"{name}.weight"], weights[f"{name}.bias"]

        def norm(name: str) -> Norm:
            return Norm(*parts(name), self.config["layer_norm_eps"])

        def product(name: str) -> Linear | Int8Linear:
            weight, bias = parts(name)
            if not int8:
                return Linear(weight, bias)
            scale = weights.get(f"{name}.weight{SCALE}")
            return Int8Linear.of(*(quantised(weight) if scale is None else (weight, scale)), bias)

        def layer(place: str) -> Layer:
            *names, out, attended = (f"{place}.attention.{name}" for name in _ATTENTION[self._kind])
            query_key_value = [*map(product, names)]
            return Layer(
                type(query_key_value[0])(*map(torch.cat, zip(*query_key_value, strict=True))),
                product(out),
                norm(attended),
                product(f"{place}.intermediate.dense"),
                product(f"{place}.output.dense"),
                norm(f"{place}.output.LayerNorm"),
                self.config["num_attention_heads"],
            )

        self._words, self._places = (
            weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position")
        )
        if self._kind == "mpnet":
            self._places = self._places[self.config["pad_token_id"] + 1 :]  # positions start there
        self._word_scale = weights.get(f"embeddings.word_embeddings.weight{SCALE}")
        self._types = weights.get("embeddings.token_type_embeddings.weight")
        self._norm = norm("embeddings.LayerNorm")
        count = self.config["num_hidden_layers"]
        self._layers = [layer(f"encoder.layer.{number}") for number in range(count)]
        table = weights.get("encoder.relative_attention_bias.weight")
        self._bias = None if table is None else _distance_bias(table, len(self._places))

    def states(
        self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]]
    ) -> tuple[torch.Tensor, ...]:
        """Last states, shape (tokens, dim), of each text; `ids` and `types` are its tokens and
        token types.

        `types` are ignored by models that were not trained with them.
        """
        padding = [0] * filler(sum(len(text) for text in ids))
        ids, types = [*ids, padding], [*types, padding]
        lengths = [len(text) for text in ids]
        with torch.inference_mode():
            tokens = self._row(token for text in ids for token in text)
            states = self._words[tokens]
            if self._word_scale is not None:
                states = states * self._word_scale[tokens, None]
            if self._types is not None:
                kinds = self._row(kind * self._has_token_types for text in types for kind in text)
                states = states + embedding(kinds, self._types)
            places = self._row(place for length in lengths for place in range(length))
            states = self._norm(states + embedding(places, self._places))
            for layer in self._layers:
                states = layer(states, lengths, self._bias)
            return torch.split(states, lengths)[:-1]

    def _row(self, numbers: Iterable[int]) -> torch.Tensor:
        return torch.tensor(list(numbers), device=self._device)


def _distance_bias(table: torch.Tensor, longest: int) -> torch.Tensor:
    """(1, heads, longest, longest) from MPNet's `table`, shape (buckets, heads).

    Half of the buckets are for tokens before, half for tokens after; in each half, the nearest
    distances have one each, and further ones share wider and wider ones.
    """
    half = len(table) // 2
    exact = half // 2
    positions = torch.arange(longest, device=table.device)
    distance = positions[None, :] - positions[:, None]
    size = distance.abs()
    share = torch.log(size.clamp(min=1) / exact) / math.log(_DISTANCES / exact)
    logarithmic = (exact + (share * (half - exact)).long()).clamp(max=half - 1)
    bucket = torch.where(size < exact, size, logarithmic) + half * (distance > 0)
    return table[bucket].permute(2, 0, 1).unsqueeze(0).contiguous()


def filler(tokens: int) -> int:
    """Number of padding tokens for a row, so that there are few different lengths.

    oneDNN compiles and keeps a kernel for each shape: with arbitrary lengths a process grew by 760
    MiB in 500 batches; with these by 80 MiB in the first 100 and no more, in a sixth less time.
    """
    return -tokens % (64 if tokens > 64 else 16)


def _loaded(folder: Path, kind: str, arithmetic: Arithmetic) -> tuple[Tokenizer, Weights]:
    """Heads stay in fp32. Raises ValueError for a file with unexpected content."""

    def kind_of(name: str) -> torch.dtype:
        if name.split(".")[0] not in (kind, "embeddings", "encoder"):
            return torch.float32
        in_integers = arithmetic.int8 and any(part in name for part in _INT8_PARTS)
        return torch.int8 if in_integers else arithmetic.dtype

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        weights = load_weights(folder / "model.safetensors", kind_of)
    except Exception as error:  # tokenizers raises nothing more specific
        raise ValueError(f"{folder}: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, weights


def is_bert(folder: Path) -> bool:
    """Whether this is a local folder with a model that `Bert` computes correctly."""
    if not all((folder / name).is_file() for name in _FILES):
        return False
    try:
        config, tokenizer = _json(folder / "config.json"), _json(folder / "tokenizer_config.json")
    except ValueError:
        return False
    expected = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    kind = config.get("model_type", "")
    name = tokenizer.get("tokenizer_class", "MPNetTokenizer" if kind == "mpnet" else None)
    is_known = name in _TOKENIZERS.get(kind, ())
    return is_known and all(config.get(name, value) == value for name, value in expected.items())


def _json(path: Path) -> dict[str, Any]:
    """Raises ValueError unless the file contains a JSON object."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path} is not a JSON object")
    return value
