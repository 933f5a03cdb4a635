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

    @property
    def parts(self) -> tuple[str, str]:
        """The title and heading, and the passage's text."""
        return self.text[: self.prefix], self.text[self.prefix :]


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
        return Encoded(
            inputs={name: value[numbers] for name, value in self.inputs.items()},
            starts=self.starts[numbers],
            ends=self.ends[numbers],
            scored=self.scored[numbers],
        )


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

    pieces = []
    for context, text in passages:
        prefix = ""
        if context:
            prefix = context[:MAX_CONTEXT_CHARACTERS] + "\n"
        pieces.append((prefix, text, 0))

    by_passage = []
    for window in _encoded(tokenizer, question, pieces):
        windows = [window]
        if window.tokens > max_tokens:
            windows = _pieces(tokenizer, window, max_tokens, stride)
        by_passage.append(windows)
    return by_passage


def _encoded(tokenizer: Any, question: str, pieces: Sequence[tuple[str, str, int]]) -> list[Window]:
    """A window for each (prefix, text, offset of the text in its passage)."""
    pairs = [(question, prefix + text) for prefix, text, _ in pieces]
    encodings = _backend_of(tokenizer).encode_batch(pairs)

    windows = []
    for (prefix, text, offset), encoding in zip(pieces, encodings, strict=True):
        window = Window(
            question=question,
            text=prefix + text,
            prefix=len(prefix),
            offset=offset,
            encoding=encoding,
        )
        windows.append(window)
    return windows


def again(tokenizer: Any, window: Window) -> Window:
    """The same window for another tokenizer."""
    prefix, text = window.parts
    piece = (prefix, text, window.offset)
    (window_again,) = _encoded(tokenizer, window.question, [piece])
    return window_again


def _pieces(tokenizer: Any, window: Window, max_tokens: int, stride: int) -> list[Window]:
    """Windows over the text of one that is too long, each with the same prefix."""
    backend = _backend_of(tokenizer)
    prefix, text = window.parts
    question_and_prefix = backend.encode(window.question, prefix)
    spent = len(question_and_prefix.ids) + 2
    room = max(max_tokens - spent, stride + 16)

    offsets = backend.encode(text, add_special_tokens=False).offsets
    if len(offsets) <= room:
        return _encoded(tokenizer, window.question, [(prefix, text, 0)])

    pieces = []
    for first_token in range(0, len(offsets) - stride, room - stride):
        tokens = offsets[first_token : first_token + room]
        start, _ = tokens[0]
        _, end = tokens[-1]
        pieces.append((prefix, text[start:end], start))
    return _encoded(tokenizer, window.question, pieces)


def cut(tokenizer: Any, text: str, max_tokens: int) -> str:
    """The beginning of `text` that takes at most `max_tokens`."""
    offsets = _backend_of(tokenizer).encode(text, add_special_tokens=False).offsets
    if len(offsets) <= max_tokens:
        return text
    _, end = offsets[max_tokens - 1]
    return text[:end]


def _backend_of(tokenizer: Any) -> Tokenizer:
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
            batch = []
            count = 0
        batch.append(item)
        count += windows
    if batch:
        yield batch


def places(window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """`starts`, `ends` and `scored` of `Encoded` for one window, each of shape (t,)."""
    offsets = np.array(window.encoding.offsets, dtype=np.int64)
    starts, ends = offsets.T
    sequences = window.encoding.sequence_ids  # 0 is the question
    in_second = np.array([sequence == 1 for sequence in sequences])
    is_after_prefix = starts >= window.prefix
    has_text = ends > starts
    scored = in_second & is_after_prefix & has_text

    moved = window.offset - window.prefix
    return starts + moved, ends + moved, scored


def encode(tokenizer: Any, batch: Sequence[Window]) -> Encoded:
    """Tokens and masks of a batch, padded on the right, for a tokenizer of transformers."""
    most_tokens = max(window.tokens for window in batch)
    shape = (len(batch), most_tokens)
    ids = np.full(shape, tokenizer.pad_token_id, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    types = np.zeros(shape, dtype=np.int64)
    starts = np.zeros(shape, dtype=np.int64)
    ends = np.zeros(shape, dtype=np.int64)
    scored = np.zeros(shape, dtype=np.bool_)

    for row, window in enumerate(batch):
        place = np.s_[row, : window.tokens]
        ids[place] = window.encoding.ids
        types[place] = window.encoding.type_ids
        mask[place] = 1
        window_starts, window_ends, window_scored = places(window)
        starts[place] = window_starts
        ends[place] = window_ends
        scored[place] = window_scored

    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": types,
    }
    expected = tokenizer.model_input_names
    return Encoded(
        inputs={name: value for name, value in inputs.items() if name in expected},
        starts=starts,
        ends=ends,
        scored=scored,
    )


Logits = NDArray[np.float32]
_NO_HEAD = "it has no question-answering head"


SPAN = "qa_outputs"
SENTENCE = "sentence_outputs"
VERDICT = "verdict_outputs"
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


def load_head(setting: str, path: str, is_local: bool, arithmetic: Arithmetic = ON_CPU) -> Head:
    """The model of a reader setting. Raises ModelError if it is broken or has no span head."""
    with loading(f"reader {setting}", "name another in RAG_READER, or as a recipe's teacher"):
        if is_local and is_bert(Path(path)):
            return BertHead(Path(path), arithmetic)
        return TransformersHead(path, is_local, arithmetic)


class BertHead:
    """A BERT or MPNet in a local folder, computed without padding.

    Its heads are in fp32, since bf16's three digits suffice for states but not for scores.
    """

    def __init__(self, folder: Path, arithmetic: Arithmetic) -> None:
        self._bert = Bert(folder, arithmetic)
        self.tokenizer = self._bert.tokenizer
        span = self._linear(SPAN)
        if span is None:
            raise ValueError(_NO_HEAD)
        self._span = span
        self._sentence = self._linear(SENTENCE)
        self._dense = self._linear(VERDICT_DENSE)
        self._verdict = self._linear(VERDICT)

    def _linear(self, name: str) -> Linear | None:
        weight = self._bert.others.get(f"{name}.weight")
        if weight is None:
            return None
        bias = self._bert.others[f"{name}.bias"]
        return Linear(weight, bias)

    def outputs(self, batch: Sequence[Window]) -> list[HeadOutput]:
        encodings = [window.encoding for window in batch]
        ids = [encoding.ids for encoding in encodings]
        types = [encoding.type_ids for encoding in encodings]
        states = self._bert.states(ids, types)
        with torch.inference_mode():
            return [self._output(window_states.float()) for window_states in states]

    def _output(self, states: torch.Tensor) -> HeadOutput:
        span_logits = self._span(states)
        first, last = span_logits.T.cpu().numpy()

        sentence = None
        if self._sentence:
            token_logits = self._sentence(states)[:, 0]
            sentence = token_logits.cpu().numpy()

        verdict = None
        if self._dense and self._verdict:
            pooled = torch.tanh(self._dense(states[:1]))
            verdict_logits = self._verdict(pooled)[0]
            verdict = verdict_logits.cpu().numpy()

        return HeadOutput(
            first=first,
            last=last,
            sentence=sentence,
            verdict=verdict,
        )


class TransformersHead:
    """Any model supported by `AutoModelForQuestionAnswering`."""

    def __init__(self, path: str, is_local: bool, arithmetic: Arithmetic) -> None:
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(path, local_files_only=is_local)
        model, report = AutoModelForQuestionAnswering.from_pretrained(
            path,
            local_files_only=is_local,
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
        inputs = {}
        for name, value in encode(self.tokenizer, batch).inputs.items():
            inputs[name] = torch.as_tensor(value, device=self._device)

        with torch.inference_mode():
            output = self._model(**inputs)
        firsts = output.start_logits.float().cpu().numpy()
        lasts = output.end_logits.float().cpu().numpy()

        outputs = []
        for first, last in zip(firsts, lasts, strict=True):
            outputs.append(HeadOutput(first, last))
        return outputs


Head = BertHead | TransformersHead
