"""Models with a span head and optionally two more: windows in, logits out.

One pass of one encoder serves all three heads. Spans as in Devlin et al. 2019; sentences as one
logit per token, pooled over each sentence (Chirkova et al. 2025, "Provence"); the verdict from the
first token, as in natural language inference.

A window is the passage's title and heading, then a stretch of its text. A passage that fits is one
window; a longer one is covered by windows that overlap, each with title and heading again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from rag.models.bert import Bert, Linear, is_bert
from rag.models.device import ON_CPU, Arithmetic
from rag.models.registry import loading
from rag.protocols import MAX_CONTEXT_CHARACTERS

MAX_QUESTION_TOKENS = 64
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """`text[prefix:]` is the passage's text from `offset` on; `encoding`: question and text."""

    question: str
    text: str
    prefix: int
    offset: int
    encoding: Any = field(compare=False, repr=False)

    @property
    def tokens(self) -> int:
        """Number of tokens, including special ones."""
        return len(self.encoding.ids)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch ready for the model; `n` windows of at most `t` tokens.

    `inputs`: the model's keyword arguments, each (n, t). `starts`, `ends`: (n, t), each token's
    offsets in its passage's text; `scored`: (n, t), whether the token belongs to the passage's
    text. Token 0 means "no answer here".
    """

    inputs: dict[str, Any]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    scored: NDArray[np.bool_]

    def rows(self, numbers: Sequence[int]) -> Encoded:
        """Some of the windows."""
        inputs = {name: value[numbers] for name, value in self.inputs.items()}
        return Encoded(inputs, self.starts[numbers], self.ends[numbers], self.scored[numbers])


def windows_of(
    tokenizer: Any,
    question: str,
    passages: Sequence[tuple[str, str]],
    max_tokens: int = 384,
    stride: int = 96,
) -> list[list[Window]]:
    """The windows over each passage, (context, text), in order; `stride` tokens are shared by
    neighbours. What fits in one window is tokenised once, all in one call.
    """
    question = cut(tokenizer, question, MAX_QUESTION_TOKENS)
    encoded = _encoded(
        tokenizer,
        question,
        [(c[:MAX_CONTEXT_CHARACTERS] + "\n" if c else "", text, 0) for c, text in passages],
    )
    return [
        [window] if window.tokens <= max_tokens else _pieces(tokenizer, window, max_tokens, stride)
        for window in encoded
    ]


def _encoded(tokenizer: Any, question: str, pieces: Sequence[tuple[str, str, int]]) -> list[Window]:
    """A window for each (prefix, text, offset of the text in its passage)."""
    pairs = [(question, prefix + text) for prefix, text, _ in pieces]
    encodings = _plain(tokenizer).encode_batch(pairs)
    return [
        Window(question, prefix + text, len(prefix), offset, encoding)
        for (prefix, text, offset), encoding in zip(pieces, encodings, strict=True)
    ]


def again(tokenizer: Any, window: Window) -> Window:
    """The same window for another tokenizer."""
    prefix, text = window.text[: window.prefix], window.text[window.prefix :]
    return _encoded(tokenizer, window.question, [(prefix, text, window.offset)])[0]


def _pieces(tokenizer: Any, window: Window, max_tokens: int, stride: int) -> list[Window]:
    prefix, text = window.text[: window.prefix], window.text[window.prefix :]
    spent = len(_plain(tokenizer).encode(window.question, prefix).ids) + 2
    room = max(max_tokens - spent, stride + 16)
    offsets = _plain(tokenizer).encode(text, add_special_tokens=False).offsets
    places = [(0, len(text))]
    if len(offsets) > room:
        firsts = range(0, len(offsets) - stride, room - stride)
        places = [(offsets[n][0], offsets[n : n + room][-1][1]) for n in firsts]
    return _encoded(tokenizer, window.question, [(prefix, text[a:b], a) for a, b in places])


def cut(tokenizer: Any, text: str, max_tokens: int) -> str:
    """The beginning of `text` that takes at most `max_tokens`."""
    offsets = _plain(tokenizer).encode(text, add_special_tokens=False).offsets
    return text if len(offsets) <= max_tokens else text[: offsets[max_tokens - 1][1]]


def _plain(tokenizer: Any) -> Tokenizer:
    """The tokenizer without truncation and padding; for one of transformers, the one inside it."""
    backend: Tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
    backend.no_truncation()
    backend.no_padding()
    return backend


def batches(
    items: Iterable[T],
    tokens: Callable[[T], int],
    limit: int,
    size: Callable[[T], int] | None = None,
) -> Iterator[list[T]]:
    """Items of similar length in batches of at most `limit` tokens, including padding; an item has
    `size` windows, by default one, each of at most `tokens` tokens.
    """
    batch: list[T] = []
    count = 0
    for item in sorted(items, key=tokens):
        windows = size(item) if size else 1
        if batch and (count + windows) * tokens(item) > limit:
            yield batch
            batch, count = [], 0
        batch.append(item)
        count += windows
    if batch:
        yield batch


def places(window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """`starts`, `ends` and `scored` of `Encoded` for one window, each of shape (t,)."""
    starts, ends = np.array(window.encoding.offsets, dtype=np.int64).T
    in_passage = np.array([sequence == 1 for sequence in window.encoding.sequence_ids])
    scored = in_passage & (starts >= window.prefix) & (ends > starts)
    moved = window.offset - window.prefix
    return starts + moved, ends + moved, scored


def encode(tokenizer: Any, batch: Sequence[Window]) -> Encoded:
    """Tokens and masks of a batch, padded on the right, for a tokenizer of transformers."""
    shape = len(batch), max(window.tokens for window in batch)
    ids = np.full(shape, tokenizer.pad_token_id, dtype=np.int64)
    mask, types, starts, ends = (np.zeros(shape, dtype=np.int64) for _ in range(4))
    scored = np.zeros(shape, dtype=np.bool_)

    for row, window in enumerate(batch):
        row_tokens = row, slice(window.tokens)
        ids[row_tokens], types[row_tokens], mask[row_tokens] = (
            window.encoding.ids,
            window.encoding.type_ids,
            1,
        )
        starts[row_tokens], ends[row_tokens], scored[row_tokens] = places(window)

    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    expected = {name: inputs[name] for name in inputs if name in tokenizer.model_input_names}
    return Encoded(expected, starts, ends, scored)


Logits = NDArray[np.float32]
_NO_HEAD = "it has no question-answering head"


SPAN, SENTENCE, VERDICT = "qa_outputs", "sentence_outputs", "verdict_outputs"
VERDICT_DENSE = "verdict_dense"
"""Names of the heads in a weights file."""


@dataclass(frozen=True, slots=True)
class HeadOutput:
    """Logits of one window of t tokens.

    `first` and `last`, shape (t,), are those of a span's start and end; `sentence`, shape (t,),
    those of tokens in a sentence of the answer; `verdict`, shape (3,) or (4,), those of yes, no,
    neither and, where the model knows it, "depends". None if the model lacks the head.
    """

    first: Logits
    last: Logits
    sentence: Logits | None = None
    verdict: Logits | None = None


def load_head(setting: str, path: str, local: bool, arithmetic: Arithmetic = ON_CPU) -> Head:
    """The model of a reader setting. Raises ModelError if it is broken or has no span head."""
    with loading(f"reader {setting}", "name another in RAG_READER, or as a recipe's teacher"):
        if local and is_bert(Path(path)):
            return BertHead(Path(path), arithmetic)
        return TransformersHead(path, local, arithmetic)


class BertHead:
    """A BERT or MPNet in a local folder, computed without padding.

    Its heads are in fp32, since bf16's three digits suffice for states but not for scores.
    """

    def __init__(self, folder: Path, arithmetic: Arithmetic) -> None:
        self._bert = Bert(folder, arithmetic)
        self.tokenizer = self._bert.tokenizer
        names = SPAN, SENTENCE, VERDICT_DENSE, VERDICT
        span, self._sentence, self._dense, self._verdict = map(self._linear, names)
        if span is None:
            raise ValueError(_NO_HEAD)
        self._span = span

    def _linear(self, name: str) -> Linear | None:
        weight = self._bert.others.get(f"{name}.weight")
        return None if weight is None else Linear(weight, self._bert.others[f"{name}.bias"])

    def outputs(self, batch: Sequence[Window]) -> list[HeadOutput]:
        encodings = [window.encoding for window in batch]
        found = self._bert.states([e.ids for e in encodings], [e.type_ids for e in encodings])
        with torch.inference_mode():
            return [self._output(states.float()) for states in found]

    def _output(self, states: torch.Tensor) -> HeadOutput:
        start_logits, end_logits = self._span(states).T.cpu().numpy()
        sentence = self._sentence(states)[:, 0].cpu().numpy() if self._sentence else None
        verdict = None
        if self._dense and self._verdict:
            verdict = self._verdict(torch.tanh(self._dense(states[:1])))[0].cpu().numpy()
        return HeadOutput(start_logits, end_logits, sentence, verdict)


class TransformersHead:
    """Any model supported by `AutoModelForQuestionAnswering`."""

    def __init__(self, path: str, local: bool, arithmetic: Arithmetic) -> None:
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(path, local_files_only=local)
        model, report = AutoModelForQuestionAnswering.from_pretrained(
            path,
            local_files_only=local,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        if any("qa_outputs" in name for name in report["missing_keys"]):
            raise ValueError(_NO_HEAD)  # transformers would initialise it randomly
        if arithmetic.bf16 and hasattr(model, "qa_outputs"):
            model.bfloat16().qa_outputs.float()
            model.qa_outputs.register_forward_pre_hook(lambda _, states: (states[0].float(),))
        self._device = arithmetic.device
        self._model = model.to(self._device).eval()

    def outputs(self, batch: Sequence[Window]) -> list[HeadOutput]:
        inputs = {
            name: torch.as_tensor(value, device=self._device)
            for name, value in encode(self.tokenizer, batch).inputs.items()
        }
        with torch.inference_mode():
            output = self._model(**inputs)
        sides = (
            logits.float().cpu().numpy() for logits in (output.start_logits, output.end_logits)
        )
        return [HeadOutput(*pair) for pair in zip(*sides, strict=True)]


Head = BertHead | TransformersHead
