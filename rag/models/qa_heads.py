"""Models with a span head and optionally two more: windows in, logits out.

One pass of one encoder serves all three heads. Spans as in Devlin et al. 2019; sentences as one
logit per token, pooled over each sentence (Chirkova et al. 2025, "Provence"); the verdict from the
first token, as in natural language inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rag.errors import ModelError
from rag.models.bert import Bert, Linear, is_bert
from rag.models.device import ON_CPU, Arithmetic
from rag.models.windows import Window, encode

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
        found = {
            name.removesuffix(".weight") for name in self._bert.others if name.endswith(".weight")
        }
        if SPAN not in found:
            raise ValueError(_NO_HEAD)
        self._span = self._linear(SPAN)
        self._sentence = self._linear(SENTENCE) if SENTENCE in found else None
        verdict = {VERDICT, VERDICT_DENSE} <= found
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
            found.float().cpu().numpy() for found in (output.start_logits, output.end_logits)
        )
        return [HeadOutput(*pair) for pair in zip(first, last, strict=True)]
