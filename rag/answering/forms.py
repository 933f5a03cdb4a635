"""Classifies the form of answer that a question wants, by its embedding and words.

`rag.answering.proposals` makes the answers of each form, `rag.answering.suggestions` the reply to
talk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelError, install_line
from rag.meaning.words import QUESTION_WORDS
from rag.types import TALK

FORMS = ("span", "yes_no", "sentences", "steps", "list", "comparison", "overview", "catalogue")
"""Forms of answers; rag/answering/FORMS_CARD.md describes their classifier."""
NEEDS_ALL = "needs_all"
"""The class of questions that only all passages together answer; they are refused with that reason.
"""
CLASSES = (*FORMS, NEEDS_ALL, TALK)
SHIPPED = Path(__file__).with_name("forms.safetensors")
SHELF = Path(__file__).with_name("shelf.safetensors")
"""Weights of the classifier of questions over the whole shelf."""
_WORD = re.compile(r"[a-z']+")
_CUES = tuple(
    (
        "who whom whose what which when where why how is are was were do does did has have had "
        "can could may might must should would will shall am much many long often far old big "
        "list name all every each any or versus vs between compare compared comparison "
        "difference differ different better cheaper than steps step need needed required "
        "requirements about summary summarise summarize overview outline gist main points "
        "document documents file files page pages note notes paper papers report reports "
        "mention mentions mentioned mentioning contain contains wrote written author total sum "
        "altogether average mean most least highest lowest largest smallest longest combined "
        "overall across number count kinds types options ways reasons set up install change "
        "make get use mean means meaning definition explain describe happens happen if purpose "
        "cause causes the a an i you we it to of for in with there"
    ).split()
)
_PLACE = {word: place for place, word in enumerate(_CUES)}

_ASKS = (
    r"(?:(?:in|on|at|by|from|to|up to|for|with|of|under|since|until) )?"
    rf"(?:{'|'.join(sorted(QUESTION_WORDS))}|is|are|was|were|do|does|did|has|have|can|could|may|"
    r"must|should|will|would|shall|am)\b"
)
_ASKS_FIRST = re.compile(_ASKS)
_CLAUSE_ASKS = re.compile(rf"(?:[,:;.!?]| [-–—]) +(?:(?:so|and|then|but|or) )?(?={_ASKS})")
"""What separates a clause that asks from the words before it."""
_FIRST = 3
"""Words at the beginning of what asks that are cues of their own."""


def cues(question: str) -> NDArray[np.float32]:
    """Question words in a question, shape (2 * len(_CUES),): anywhere, and among the first words of
    what asks.
    """
    plain = question.lower().replace("\u2019", "'")
    flags = np.zeros(2 * len(_CUES), dtype=np.float32)
    for word in _WORD.findall(plain):
        if word in _PLACE:
            flags[_PLACE[word]] = 1

    first_words = _WORD.findall(_asking_clause(plain))[:_FIRST]
    for number, word in enumerate(first_words):
        if word in _PLACE:
            flags[len(_CUES) + _PLACE[word]] = 1 - 0.25 * number
    return flags


def _asking_clause(question: str) -> str:
    """The last clause that asks, or the whole text if it begins by asking. The text is in lower
    case; of "i'm a pensioner, when is it due?" the clause is "when is it due?".
    """
    if _ASKS_FIRST.match(question):
        return question
    ends = [clause.end() for clause in _CLAUSE_ASKS.finditer(question)]
    return question[ends[-1] :] if ends else question


def inputs(questions: Sequence[str], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The classifier's input for each question, shape (n, dim + 2 * len(_CUES)); `vectors` are the
    embeddings, shape (n, dim).
    """
    return np.hstack(
        [
            vectors * np.sqrt(vectors.shape[1]) / 8,
            np.stack([cues(question) for question in questions]),
        ]
    )


def weights_in(path: Path, name: str, hint: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The weights and the bias in a file. Raises ModelError if it cannot be read."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        return tensors["weights"].astype(np.float32), tensors["bias"].astype(np.float32)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"{name} cannot be read: {error}", hint) from error


class FormClassifier:
    """Logistic regression over all classes."""

    def __init__(self, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """`weights`, shape (classes, dim + 2 * cues); `bias`, shape (classes,)."""
        self._weights = weights
        self._bias = bias

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Self:
        """Raises ModelError if the file cannot be read or was fitted to other classes."""
        hint = "train it again: rag train forms"
        weights, bias = weights_in(path, f"form classifier {path}", hint)
        if len(bias) != len(CLASSES) or len(weights) != len(CLASSES):
            raise ModelError(
                f"form classifier {path} has {len(bias)} classes, not {len(CLASSES)}", hint
            )
        return cls(weights, bias)

    def probabilities(
        self, questions: Sequence[str], vectors: Sequence[NDArray[np.float32]]
    ) -> list[Mapping[str, float]]:
        """For each question, the probability of each class by name; {} if the classifier was
        trained with another embedder. `vectors` are the questions', each of shape (dim,).
        """
        if not questions:
            return []
        rows = inputs(questions, np.stack(vectors))
        if rows.shape[1] != self._weights.shape[1]:
            return [{} for _ in questions]
        logits = rows @ self._weights.T + self._bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        return [dict(zip(CLASSES, map(float, row), strict=True)) for row in shares]


_LIKELY = 0.5
"""Probability from which on a question is taken for one over the whole shelf."""


class ShelfClassifier:
    """Logistic regression: does a question need one cell for each of many documents?

    It has the inputs of `FormClassifier` and is fitted by `eval.experiments.fit_shelf`.
    """

    def __init__(self, weights: NDArray[np.float32], bias: float) -> None:
        """`weights`, shape (dim + 2 * cues,)."""
        self._weights = weights
        self._bias = bias

    @classmethod
    def load(cls, path: Path = SHELF) -> Self:
        """Raises ModelError if the file cannot be read."""
        hint = f"install the package again: {install_line()} --force-reinstall"
        weights, bias = weights_in(path, f"classifier {path}", hint)
        return cls(weights, float(bias[0]))

    def probability(self, question: str, vector: NDArray[np.float32]) -> float:
        """In [0, 1]; 0 if the classifier was fitted with another embedder."""
        row = inputs([question], vector[None, :])[0]
        if len(row) != len(self._weights):
            return 0.0
        return float(1 / (1 + np.exp(-(row @ self._weights + self._bias))))

    def is_likely(self, question: str, vector: NDArray[np.float32]) -> bool:
        """Whether the question is more likely to be one over the whole shelf than not."""
        return self.probability(question, vector) >= _LIKELY
