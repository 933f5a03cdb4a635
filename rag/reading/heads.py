"""Models with a span head: windows in, for each the logits of every token to be a span's first and last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from rag.bert import Bert, is_bert
from rag.errors import ModelError
from rag.reading.spans import Logits
from rag.reading.windows import Window, encode

_NO_HEAD = "it has no question-answering head"


class Head(Protocol):
    tokenizer: Any
    """Of tokenizers, or of transformers."""

    def logits(self, batch: Sequence[Window]) -> list[tuple[Logits, Logits]]:
        """(first, last) of each window, one value a token at least."""


def load_head(setting: str, path: str, local: bool, bf16: bool) -> Head:
    """The model of a reader setting, at a folder or hub id. Raises ModelError if it cannot be loaded or has no span head."""
    try:
        return BertHead(Path(path), bf16) if local and is_bert(Path(path)) else TransformersHead(path, local, bf16)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"reader {setting} cannot be loaded: {reason}", "name another in RAG_READER, or as a recipe's teacher"
        ) from error


class BertHead:
    """A BERT in a local folder, computed without padding; its head in fp32: bf16 has three digits, enough for states, not for
    scores."""

    def __init__(self, folder: Path, bf16: bool) -> None:
        self._bert = Bert(folder, bf16)
        self.tokenizer = self._bert.tokenizer
        try:
            self._weight, self._bias = (self._bert.others[f"qa_outputs.{name}"] for name in ("weight", "bias"))
        except KeyError as error:
            raise ValueError(_NO_HEAD) from error

    def logits(self, batch: Sequence[Window]) -> list[tuple[Logits, Logits]]:
        found = self._bert.states([window.encoding.ids for window in batch], [window.encoding.type_ids for window in batch])
        with torch.inference_mode():
            rows = torch.nn.functional.linear(torch.cat(found).float(), self._weight, self._bias).T.numpy()
        ends = np.cumsum([window.tokens for window in batch])[:-1]
        return list(zip(np.split(rows[0], ends), np.split(rows[1], ends), strict=True))


class TransformersHead:
    """Any model that `AutoModelForQuestionAnswering` knows."""

    def __init__(self, path: str, local: bool, bf16: bool) -> None:
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer

        from rag.packing import without_padding

        self.tokenizer: Any = AutoTokenizer.from_pretrained(path, local_files_only=local)
        model, report = AutoModelForQuestionAnswering.from_pretrained(
            path, local_files_only=local, dtype=torch.float32, output_loading_info=True
        )
        if any("qa_outputs" in name for name in report["missing_keys"]):
            raise ValueError(_NO_HEAD)  # transformers would fill it in at random
        if bf16 and hasattr(model, "qa_outputs"):
            model.bfloat16().qa_outputs.float()
            model.qa_outputs.register_forward_pre_hook(lambda _, states: (states[0].float(),))
        without_padding(model.base_model)
        self._model = model.eval()

    def logits(self, batch: Sequence[Window]) -> list[tuple[Logits, Logits]]:
        inputs = {name: torch.as_tensor(value) for name, value in encode(self.tokenizer, batch).inputs.items()}
        with torch.inference_mode():
            output = self._model(**inputs)
        return list(zip(output.start_logits.float().numpy(), output.end_logits.float().numpy(), strict=True))
