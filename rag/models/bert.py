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
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention

from rag.models.device import ON_CPU, Arithmetic, Int8Linear, quantised
from rag.models.registry import DIGEST, WEIGHTS

SCALE = ".scale"
_RESTORED = 1 << 16
"""Numbers that are restored at once."""
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
    scales = [name for name in tensors if name.endswith(SCALE)]
    for name in scales:
        matrix = name.removesuffix(SCALE)
        kind = kinds(matrix)
        scale = tensors.pop(name).float()
        if kind is torch.int8:
            tensors[name] = scale
        else:
            tensors[matrix] = _restored(tensors[matrix], scale, kind)
    return tensors


def _restored(codes: torch.Tensor, scale: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """The numbers of an int8 matrix, some rows at a time: a whole matrix in fp32 beside the result
    is memory that the system has to find first, which takes longer than the arithmetic.
    """
    numbers = torch.empty(codes.shape, dtype=kind)
    rows = max(1, _RESTORED // codes.shape[1])
    for part, part_codes, part_scale in zip(
        torch.split(numbers, rows),
        torch.split(codes, rows),
        torch.split(scale, rows),
        strict=True,
    ):
        part.copy_(part_codes.float().mul_(part_scale[:, None]))
    return numbers


def save_weights(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write matrices in 8 bits per number, and everything else in half precision."""
    stored: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        is_large = value.ndim == 2 and value.numel() >= _MIN_SIZE
        if is_large:
            matrix, scale = quantised(value.float())
            stored[name] = matrix
            stored[name + SCALE] = scale
        else:
            stored[name] = value.half().contiguous()
    save_file(stored, path, {"format": "pt"})


def write_fp32(folder: Path, target: Path) -> None:
    """Write the model of a folder to `target` with weights in fp32, as other libraries read them.

    Raises OSError.
    """
    shutil.copytree(
        folder, target, ignore=shutil.ignore_patterns(WEIGHTS, DIGEST), dirs_exist_ok=True
    )
    stored = load_weights(folder / WEIGHTS)
    in_fp32 = {name: weight.float().contiguous() for name, weight in stored.items()}
    save_file(in_fp32, target / WEIGHTS, {"format": "pt"})


Weights = Mapping[str, torch.Tensor]
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS)
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
_WORDS = "word_embeddings."
"""Name of the matrix that stays in 8 bits with any arithmetic, since a text needs few of its rows.
"""
_LAYERS = "encoder.layer."
"""Names of those that stay in 8 bits for integer arithmetic: nearly all others of a model."""
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
        return layer_norm(
            states,
            normalized_shape=self.weight.shape,
            weight=self.weight,
            bias=self.bias,
            eps=self.eps,
        )


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
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)

        # each text attends to itself alone
        contexts = []
        for query, key, value in zip(
            torch.split(queries, lengths, 2),
            torch.split(keys, lengths, 2),
            torch.split(values, lengths, 2),
            strict=True,
        ):
            mask = None
            if bias is not None:
                length = query.shape[2]
                mask = bias[..., :length, :length]
            contexts.append(scaled_dot_product_attention(query, key, value, mask))
        context = torch.cat(contexts, 2)

        attended = self.out(context[0].transpose(0, 1).flatten(1))
        states = self.attended(states + attended)
        fed_forward = self.down(gelu(self.up(states)))
        return self.final(states + fed_forward)


class Bert:
    """The encoder in a folder, with its tokenizer."""

    def __init__(self, folder: Path, arithmetic: Arithmetic = ON_CPU) -> None:
        """`is_bert` must hold for the folder.

        Raises OSError, ValueError or KeyError for missing, broken or unexpected files.
        """
        self.config = _json(folder / "config.json")
        self._kind = self.config["model_type"]
        self._has_token_types = _takes_token_types(folder)
        self._device = torch.device(arithmetic.device)
        self._dtype = arithmetic.dtype
        self.tokenizer, weights = _loaded(folder, self._kind, arithmetic)

        # in a file with heads, the encoder's names begin with the architecture
        prefix = f"{self._kind}."
        self.others: dict[str, torch.Tensor] = {}
        for name, value in weights.items():
            if not name.startswith(prefix):
                self.others[name] = value.float().to(self._device)
        if len(self.others) == len(weights):
            prefix = ""

        tensors = {}
        for name, value in weights.items():
            if not name.startswith(prefix):
                continue
            is_rounded = value.is_floating_point() and not name.endswith(SCALE)
            dtype = arithmetic.dtype if is_rounded else None
            tensors[name.removeprefix(prefix)] = value.to(self._device, dtype)
        self._build(tensors, arithmetic.int8)

    def _build(self, weights: Weights, int8: bool) -> None:
        """Make the layers of the weights, whose names have no prefix."""
        parts = _Parts(weights, self.config, int8)
        self._words = weights["embeddings.word_embeddings.weight"]
        self._places = weights["embeddings.position_embeddings.weight"]
        if self._kind == "mpnet":
            self._places = self._places[self.config["pad_token_id"] + 1 :]  # positions start there
        self._word_scale = weights.get(f"embeddings.word_embeddings.weight{SCALE}")
        self._types = weights.get("embeddings.token_type_embeddings.weight")
        self._norm = parts.norm("embeddings.LayerNorm")

        count = self.config["num_hidden_layers"]
        self._layers = [parts.layer(f"encoder.layer.{number}") for number in range(count)]

        self._bias = None
        table = weights.get("encoder.relative_attention_bias.weight")
        if table is not None:
            self._bias = _distance_bias(table, len(self._places))

    def states(
        self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]]
    ) -> tuple[torch.Tensor, ...]:
        """Last states, shape (tokens, dim), of each text; `ids` and `types` are its tokens and
        token types.

        `types` are ignored by models that were not trained with them.
        """
        padding = [0] * filler(sum(len(text) for text in ids))
        padded_ids = [*ids, padding]
        padded_types = [*types, padding]
        lengths = [len(text) for text in padded_ids]

        with torch.inference_mode():
            states = self._embedded(padded_ids, padded_types)
            for layer in self._layers:
                states = layer(states, lengths, self._bias)
            *text_states, _ = torch.split(states, lengths)
            return tuple(text_states)

    def _embedded(
        self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """The states before the first layer: the sum of the embeddings of each token, its type and
        its place, normalised.
        """
        tokens = self._row(chain.from_iterable(ids))
        states = self._words[tokens]
        if self._word_scale is not None:
            scaled = states * self._word_scale[tokens, None]
            states = scaled.to(self._dtype)

        if self._types is not None:
            kinds = self._row(chain.from_iterable(types))
            if not self._has_token_types:
                kinds = torch.zeros_like(kinds)
            states = states + embedding(kinds, self._types)

        places = self._row(chain.from_iterable(range(len(text)) for text in ids))
        return self._norm(states + embedding(places, self._places))

    def _row(self, numbers: Iterable[int]) -> torch.Tensor:
        return torch.tensor(list(numbers), device=self._device)


class _Parts:
    """Makes the parts of an encoder from its weights, for floating point or for integers."""

    def __init__(self, weights: Weights, config: Mapping[str, Any], int8: bool) -> None:
        self._weights = weights
        self._config = config
        self._int8 = int8

    def layer(self, place: str) -> Layer:
        names = [f"{place}.attention.{name}" for name in _ATTENTION[self._config["model_type"]]]
        query, key, value, out, norm = names
        return Layer(
            query_key_value=self._joined(query, key, value),
            out=self._product(out),
            attended=self.norm(norm),
            up=self._product(f"{place}.intermediate.dense"),
            down=self._product(f"{place}.output.dense"),
            final=self.norm(f"{place}.output.LayerNorm"),
            heads=self._config["num_attention_heads"],
        )

    def norm(self, name: str) -> Norm:
        return Norm(
            weight=self._weights[f"{name}.weight"],
            bias=self._weights[f"{name}.bias"],
            eps=self._config["layer_norm_eps"],
        )

    def _product(self, name: str) -> Linear | Int8Linear:
        weight = self._weights[f"{name}.weight"]
        bias = self._weights[f"{name}.bias"]
        if not self._int8:
            return Linear(weight, bias)

        scale = self._weights.get(f"{name}.weight{SCALE}")
        if scale is None:
            weight, scale = quantised(weight)
        return Int8Linear.of(weight, scale, bias)

    def _joined(self, *names: str) -> Linear | Int8Linear:
        """One product in place of several, whose tensors are one below the other."""
        products = [self._product(name) for name in names]
        tensors = [torch.cat(parts) for parts in zip(*products, strict=True)]
        return type(products[0])(*tensors)


def _distance_bias(table: torch.Tensor, length: int) -> torch.Tensor:
    """(1, heads, length, length) from MPNet's `table`, shape (buckets, heads).

    Half of the buckets are for tokens before, half for tokens after; in each half, the nearest
    distances have one each, and further ones share wider and wider ones.
    """
    half = len(table) // 2
    exact_buckets = half // 2
    positions = torch.arange(length, device=table.device)
    distance = positions[None, :] - positions[:, None]
    size = distance.abs()

    times_exact = torch.log(size.clamp(min=1) / exact_buckets)
    share = times_exact / math.log(_DISTANCES / exact_buckets)
    wide_bucket = exact_buckets + (share * (half - exact_buckets)).long()
    wide_bucket = wide_bucket.clamp(max=half - 1)

    is_after = distance > 0
    bucket = torch.where(size < exact_buckets, size, wide_bucket)
    bucket = bucket + half * is_after
    bias = table[bucket].permute(2, 0, 1)
    return bias.unsqueeze(0).contiguous()


def _takes_token_types(folder: Path) -> bool:
    """Whether the model was trained with the token types of a text pair."""
    tokenizer = _json(folder / "tokenizer_config.json")
    inputs = tokenizer.get("model_input_names")
    if inputs is None:
        return tokenizer.get("tokenizer_class") in _BERT_TOKENIZERS
    return "token_type_ids" in inputs


def filler(tokens: int) -> int:
    """Number of padding tokens for a row, so that there are few different lengths.

    oneDNN compiles and keeps a kernel for each shape: with arbitrary lengths a process grew by 760
    MiB in 500 batches; with these by 80 MiB in the first 100 and no more, in a sixth less time.
    """
    multiple = 64 if tokens > 64 else 16
    return -tokens % multiple


def _loaded(folder: Path, kind: str, arithmetic: Arithmetic) -> tuple[Tokenizer, Weights]:
    """Heads stay in fp32. Raises ValueError for a file with unexpected content."""

    def kind_of(name: str) -> torch.dtype:
        if name.split(".")[0] not in (kind, "embeddings", "encoder"):
            return torch.float32
        in_integers = _WORDS in name or (arithmetic.int8 and _LAYERS in name)
        return torch.int8 if in_integers else arithmetic.dtype

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        weights = load_weights(folder / WEIGHTS, kind_of)
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
        config = _json(folder / "config.json")
        tokenizer = _json(folder / "tokenizer_config.json")
    except ValueError:
        return False

    kind = config.get("model_type", "")
    default = "MPNetTokenizer" if kind == "mpnet" else None
    tokenizer_class = tokenizer.get("tokenizer_class", default)
    if tokenizer_class not in _TOKENIZERS.get(kind, ()):
        return False
    return all(config.get(name, value) == value for name, value in _EXPECTED.items())


_EXPECTED = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
"""What the configuration must say if it says anything of it."""


def _json(path: Path) -> dict[str, Any]:
    """Raises ValueError unless the file contains a JSON object."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path} is not a JSON object")
    return value
