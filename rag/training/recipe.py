"""Recipes: what training starts from, what it is shown, and how fast it learns. TOML files, checked
before anything loads.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from rag.errors import InputError

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Mix(_Part):
    """How a set is shown: at most `cap` questions, and four shares of them.

    `negatives`: with retrieved passages of other paragraphs beside their own; `absent`: with them
    instead of their own; `swapped`: with a name or number that belongs to another question, so that
    the passage no longer answers; `shortened`: with a sentence left out of their passage, half the
    time the one that answers. `beside`: how many retrieved passages. `tokens`: most word-pieces of
    a passage, where shorter ones than the recipe's will do; 0: the recipe's. `spans`: whether its
    answers are spans; where they are whole sentences, the sentence head alone learns from them.
    """

    cap: PositiveInt
    negatives: Share = 0.0
    absent: Share = 0.0
    swapped: Share = 0.0
    shortened: Share = 0.0
    beside: PositiveInt = 1
    tokens: NonNegativeInt = 0
    spans: bool = True


class Verdicts(_Part):
    """What the verdict head is shown: a `share` of a stage's batches, from at most so many rows of
    each of its `sets`.

    `elsewhere`: the share of rows that are shown a second time, beside the text of another row,
    which does not say. `figures`: how many sentences of the articles of `figures_from` are claims
    beside their paragraph, some with a digit changed.
    """

    share: Share
    sets: dict[str, PositiveInt] = Field(min_length=1)
    elsewhere: Share = 0.0
    figures: NonNegativeInt = 0
    figures_from: str = ""


class _Stage(_Part):
    """The learning rate goes from `first` to `last` linearly."""

    first: NonNegativeFloat = Field(alias="from")
    last: NonNegativeFloat = Field(alias="to")


class SetsStage(_Stage):
    steps: PositiveInt
    sets: dict[str, Mix] = Field(min_length=1)
    verdicts: Verdicts | None = None


class OwnStage(_Stage):
    passes: PositiveInt
    own: Mix


class Recipe(_Part):
    init: str
    """A folder (also inside the data folder), a hub id, "minilm", or a shipped reader."""
    seed: int = Field(ge=0, lt=2**63)
    order: str = ""
    """Another word, another order of the questions."""
    weight_decay: NonNegativeFloat
    warmup: NonNegativeInt
    """Steps."""
    batch_tokens: PositiveInt
    """Padded."""
    max_passage_tokens: int = Field(ge=16)
    dropout: Share
    freeze_embeddings: bool
    freeze_layers: NonNegativeInt = 0
    """The encoder's lowest layers that stay as they are: 4 of 12 save a fifth of a step."""
    part_punctuation: bool = False
    """Make its tokenizer part punctuation from words, so that a span can end before a full stop,
    where it does not.
    """
    teacher: str | None = None
    """A shipped reader, a folder, or a hub id."""
    taught: Share = 0.0
    """Share of the loss that is the teacher's word."""
    average: Share | None = None
    """Share of the weights it comes to in the mean that is kept; the others are those it starts
    from, or of `average_with`.
    """
    average_with: str | None = None
    """Another reader of the same shape: a shipped one, or a folder."""
    sentences: NonNegativeFloat = 0.0
    """Weight of the sentence head's loss beside the span head's; 0: there is no such head."""
    head_rate: PositiveFloat = 1.0
    """The heads' learning rate, as a multiple of the encoder's."""


class SetsRecipe(Recipe):
    """Trains on the sets of a folder."""

    dev_set: str
    dev_articles: NonNegativeInt
    """Of it, held out of training."""
    held_out: dict[str, NonNegativeInt] = {}
    """Articles of other sets that are held out, too."""
    stage: list[SetsStage] = Field(min_length=1)


class OwnRecipe(Recipe):
    """Trains on a user's own questions."""

    hold_out: Share
    """Share of the documents whose questions are kept back."""
    stage: list[OwnStage] = Field(min_length=1, max_length=1)


class EmbedderRecipe(_Stage):
    """Tunes an embedder on the sets of a folder."""

    init: str
    """A folder (also inside the data folder), a hub id, or "minilm"."""
    seed: int = Field(ge=0, lt=2**63)
    dev_set: str
    dev_articles: NonNegativeInt
    """Of it, held out of training."""
    weight_decay: NonNegativeFloat
    steps: PositiveInt
    warmup: NonNegativeInt
    """Steps."""
    scale: PositiveFloat
    """Of cosines in the softmax."""
    max_passage_tokens: int = Field(ge=16)
    passages: int = Field(ge=2)
    """Of a batch."""
    questions: PositiveInt
    """At most, of a passage in a batch."""
    visits: PositiveInt
    """At most, of a passage in a pass."""
    negatives: NonNegativeInt
    """Of a passage in a batch: others that retrieval takes for it."""
    average: Share
    """Share of the tuned weights in the mean that is kept; the others are those it starts from."""
    sets: dict[str, PositiveInt] = Field(min_length=1)
    """Most questions of each."""


R = TypeVar("R", SetsRecipe, OwnRecipe, EmbedderRecipe)
_SHIPPED = {SetsRecipe: "reader.toml", OwnRecipe: "finetune.toml", EmbedderRecipe: "embedder.toml"}


def load_recipe(kind: type[R], path: Path | None = None) -> R:
    """A recipe file, by default the shipped one of its kind. Raises InputError if it is no TOML or
    cannot be followed.
    """
    shipped = Path(__file__).parent / "recipes" / _SHIPPED[kind]
    path = path or shipped
    hint = f"start from a copy of {shipped}"
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise InputError(f"recipe {path} cannot be followed: {_faults(error)}", hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"recipe {path} is not TOML: {error}", hint) from error


def _faults(error: ValidationError) -> str:
    """As in "stage 2.steps: Field required"."""
    return "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors())


def _place(keys: tuple[int | str, ...]) -> str:
    return "".join(f" {key + 1}" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
