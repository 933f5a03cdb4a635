"""Models with a span head and optionally two more: windows in, logits out.

One pass of one encoder serves all three heads. Spans as in Devlin et al. 2019; sentences as one
logit per token, pooled over each sentence (Chirkova et al. 2025, "Provence"); the verdict from the
first token, as in natural language inference.

A window is the passage's title and heading, then a stretch of its text. A passage that fits is one
window; a longer one is covered by windows that overlap, each with title and heading again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from rag.errors import ModelError
from rag.models.bert import Bert, Linear, is_bert
from rag.models.device import ON_CPU, Arithmetic

MAX_QUESTION_TOKENS = 64
MAX_CONTEXT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Window:
    """`text[prefix:]` is the passage's text from `offset` on; `encoding` holds the tokens of
    question and text.
    """

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


def windows(
    tokenizer: Any, question: str, context: str, text: str, max_tokens: int = 384, stride: int = 96
) -> list[Window]:
    """The windows over a passage's `text`, in order; `stride` tokens are shared by neighbours."""
    return windows_of(tokenizer, question, [(context, text)], max_tokens, stride)[0]


def windows_of(
    tokenizer: Any,
    question: str,
    passages: Sequence[tuple[str, str]],
    max_tokens: int = 384,
    stride: int = 96,
) -> list[list[Window]]:
    """As `windows` for each passage, (context, text); what fits in one window is tokenised once,
    all in one call.
    """
    question = cut(tokenizer, question, MAX_QUESTION_TOKENS)
    prefixes = [
        context[:MAX_CONTEXT_CHARACTERS] + "\n" if context else "" for context, _ in passages
    ]
    whole = _made(tokenizer, question, prefixes, [(text, 0) for _, text in passages])
    return [
        [window] if window.tokens <= max_tokens else _pieces(tokenizer, window, max_tokens, stride)
        for window in whole
    ]


def _made(
    tokenizer: Any, question: str, prefixes: Sequence[str], pieces: Sequence[tuple[str, int]]
) -> list[Window]:
    """A window for each piece of text, (text, its offset), behind its prefix."""
    if not pieces:
        return []
    texts = [prefix + text for prefix, (text, _) in zip(prefixes, pieces, strict=True)]
    encodings = _plain(tokenizer).encode_batch([(question, text) for text in texts])
    parts = zip(texts, prefixes, pieces, encodings, strict=True)
    return [
        Window(question, text, len(prefix), offset, encoding)
        for text, prefix, (_, offset), encoding in parts
    ]


def again(tokenizer: Any, window: Window) -> Window:
    """The same window for another tokenizer."""
    text = window.text[window.prefix :]
    return _made(
        tokenizer, window.question, [window.text[: window.prefix]], [(text, window.offset)]
    )[0]


def _pieces(tokenizer: Any, window: Window, max_tokens: int, stride: int) -> list[Window]:
    prefix, text = window.text[: window.prefix], window.text[window.prefix :]
    spent = len(_plain(tokenizer).encode(window.question, prefix).ids) + 2
    room = max(max_tokens - spent, stride + 16)
    pieces = [(text[a:b], a) for a, b in _stretches(tokenizer, text, room, stride)]
    return _made(tokenizer, window.question, [prefix] * len(pieces), pieces)


def cut(tokenizer: Any, text: str, max_tokens: int) -> str:
    """The beginning of `text` that takes at most `max_tokens`."""
    offsets = _plain(tokenizer).encode(text, add_special_tokens=False).offsets
    return text if len(offsets) <= max_tokens else text[: offsets[max_tokens - 1][1]]


def _plain(tokenizer: Any) -> Tokenizer:
    """The tokenizer without truncation and padding; for one of transformers, the one inside it."""
    plain: Tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
    plain.no_truncation()
    plain.no_padding()
    return plain


def _stretches(tokenizer: Any, text: str, room: int, stride: int) -> Iterator[tuple[int, int]]:
    offsets = _plain(tokenizer).encode(text, add_special_tokens=False).offsets
    if len(offsets) <= room:
        yield 0, len(text)
        return
    for first in range(0, len(offsets) - stride, room - stride):
        last = min(first + room, len(offsets)) - 1
        yield offsets[first][0], offsets[last][1]


def places(window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """`starts`, `ends` and `scored` of `Encoded` for one window, each of shape (t,)."""
    starts, ends = np.array(window.encoding.offsets, dtype=np.int64).T
    inside = np.array([sequence == 1 for sequence in window.encoding.sequence_ids])
    scored = inside & (starts >= window.prefix) & (ends > starts)
    moved = window.offset - window.prefix
    return starts + moved, ends + moved, scored


def encode(tokenizer: Any, batch: Sequence[Window]) -> Encoded:
    """Tokens and masks of a batch, as NumPy arrays padded on the right. `tokenizer`: of
    transformers.
    """
    shape = len(batch), max(window.tokens for window in batch)
    ids = np.full(shape, tokenizer.pad_token_id, dtype=np.int64)
    mask, types, starts, ends = (np.zeros(shape, dtype=np.int64) for _ in range(4))
    scored = np.zeros(shape, dtype=np.bool_)
    for row, window in enumerate(batch):
        n = window.tokens
        ids[row, :n], types[row, :n], mask[row, :n] = (
            window.encoding.ids,
            window.encoding.type_ids,
            1,
        )
        starts[row, :n], ends[row, :n], scored[row, :n] = places(window)
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return Encoded(
        {name: inputs[name] for name in inputs if name in tokenizer.model_input_names},
        starts,
        ends,
        scored,
    )


Logits = NDArray[np.float32]
_NO_HEAD = "it has no question-answering head"


SPAN, SENTENCE, VERDICT = "qa_outputs", "sentence_outputs", "verdict_outputs"
VERDICT_DENSE = "verdict_dense"
"""Names of the heads in a weights file."""


@dataclass(frozen=True, slots=True)
class HeadOutput:
    """Logits of one window of t tokens.

    `first` and `last`, shape (t,), are those of a span's start and end; `sentence`, shape (t,),
    those of tokens in a sentence of the answer; `verdict`, shape (3,), those of yes, no and
    neither. None if the model lacks the head.
    """

    first: Logits
    last: Logits
    sentence: Logits | None = None
    verdict: Logits | None = None


class Head(Protocol):
    tokenizer: Any
    """A tokenizer of tokenizers or transformers."""
    has_more: bool
    """Whether it also has heads for sentences and verdicts."""

    def outputs(self, batch: Sequence[Window]) -> list[HeadOutput]:
        """One output per window."""


def load_head(setting: str, path: str, local: bool, arithmetic: Arithmetic = ON_CPU) -> Head:
    """The model of a reader setting, in a folder or on the hub. Raises ModelError if it cannot be
    loaded or has no span head.
    """
    try:
        return (
            BertHead(Path(path), arithmetic)
            if local and is_bert(Path(path))
            else TransformersHead(path, local, arithmetic)
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"reader {setting} cannot be loaded: {reason}",
            "name another in RAG_READER, or as a recipe's teacher",
        ) from error


class BertHead:
    """A BERT or MPNet in a local folder, computed without padding.

    Its heads are in fp32, since bf16's three digits suffice for states but not for scores.
    """

    def __init__(self, folder: Path, arithmetic: Arithmetic) -> None:
        self._bert = Bert(folder, arithmetic)
        self.tokenizer = self._bert.tokenizer
        heads = {
            name.removesuffix(".weight") for name in self._bert.others if name.endswith(".weight")
        }
        if SPAN not in heads:
            raise ValueError(_NO_HEAD)
        self._span = self._linear(SPAN)
        self._sentence = self._linear(SENTENCE) if SENTENCE in heads else None
        verdict = {VERDICT, VERDICT_DENSE} <= heads
        self._verdict = (self._linear(VERDICT_DENSE), self._linear(VERDICT)) if verdict else None
        self.has_more = bool(self._sentence and self._verdict)

    def _linear(self, name: str) -> Linear:
        return Linear(self._bert.others[f"{name}.weight"], self._bert.others[f"{name}.bias"])

    def outputs(self, batch: Sequence[Window]) -> list[HeadOutput]:
        encodings = [window.encoding for window in batch]
        found = self._bert.states([e.ids for e in encodings], [e.type_ids for e in encodings])
        with torch.inference_mode():
            return [self._output(states.float()) for states in found]

    def _output(self, states: torch.Tensor) -> HeadOutput:
        first, last = self._span(states).T.cpu().numpy()
        sentence = self._sentence(states)[:, 0].cpu().numpy() if self._sentence else None
        if self._verdict is None:
            return HeadOutput(first, last, sentence)
        dense, out = self._verdict
        return HeadOutput(
            first, last, sentence, out(torch.tanh(dense(states[:1])))[0].cpu().numpy()
        )


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
        self.has_more = False

    def outputs(self, batch: Sequence[Window]) -> list[HeadOutput]:
        inputs = {
            name: torch.as_tensor(value, device=self._device)
            for name, value in encode(self.tokenizer, batch).inputs.items()
        }
        with torch.inference_mode():
            output = self._model(**inputs)
        first, last = (
            logits.float().cpu().numpy() for logits in (output.start_logits, output.end_logits)
        )
        return [HeadOutput(*pair) for pair in zip(first, last, strict=True)]
