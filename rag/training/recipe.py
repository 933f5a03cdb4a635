"""Recipes: initial model, data and learning rates, in TOML files that are checked first."""

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


class _RecipePart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Mix(_RecipePart):
    """How a set is used: at most `cap` questions, and four shares of them.

    `negatives`: with retrieved passages of other paragraphs in addition to their own. `drop_gold`:
    with them instead of their own. `entity_swap`: with a name or number of another question, so
    that the passage no longer answers. `sentence_drop`: with a sentence removed from their passage,
    half the time the one that answers. `negatives_per_question`: number of retrieved passages.
    `tokens`: maximum word-pieces of a passage if it should be lower than the recipe's; 0 for the
    recipe's. `spans`: whether its answers are spans; if they are whole sentences, only the sentence
    head learns from them.
    """

    cap: PositiveInt
    negatives: Share = 0.0
    drop_gold: Share = 0.0
    entity_swap: Share = 0.0
    sentence_drop: Share = 0.0
    negatives_per_question: PositiveInt = 1
    tokens: NonNegativeInt = 0
    spans: bool = True


class Verdicts(_RecipePart):
    """Data of the verdict head: a `share` of a stage's batches, from a maximum number of rows of
    each of its `sets`.

    `elsewhere`: share of rows repeated with another row's text, which does not decide them.
    `figures`: number of sentences from articles of `figures_from` used as claims about their
    paragraph, some with a digit changed.
    """

    share: Share
    sets: dict[str, PositiveInt] = Field(min_length=1)
    elsewhere: Share = 0.0
    figures: NonNegativeInt = 0
    figures_from: str = ""


class _RateStage(_RecipePart):
    """The learning rate changes linearly from `first` to `last`."""

    first: NonNegativeFloat = Field(alias="from")
    last: NonNegativeFloat = Field(alias="to")

    def rate(self, step: int, steps: int) -> float:
        return self.first + (self.last - self.first) * step / steps


class SetsStage(_RateStage):
    """Steps over `sets`, each with its mix, and over at most so many of the `groups` of each file:
    questions with the passages that retrieval returned for them.
    """

    steps: PositiveInt
    sets: dict[str, Mix] = Field(min_length=1)
    groups: dict[str, PositiveInt] = {}
    verdicts: Verdicts | None = None


class OwnStage(_RateStage):
    passes: PositiveInt
    own: Mix


class _RunSettings(_RecipePart):
    init: str
    """A folder (also inside the data folder), a hub id, "minilm", or a shipped model."""
    seed: int = Field(ge=0, lt=2**63)
    weight_decay: NonNegativeFloat
    warmup: NonNegativeInt
    """in steps"""
    max_passage_tokens: int = Field(ge=16)

    def warm(self, step: int) -> float:
        """The factor on the learning rate of a step, from 0."""
        return min(1.0, (step + 1) / max(1, self.warmup))


class _HeldOut(_RecipePart):
    dev_set: str
    dev_articles: NonNegativeInt
    """number of its articles held out of training"""


class Recipe(_RunSettings):
    order: str = ""
    """change it for another order of the questions"""
    batch_tokens: PositiveInt
    """including padding"""
    dropout: Share
    freeze_embeddings: bool
    freeze_layers: NonNegativeInt = 0
    """Lowest layers of the encoder that are not trained: 4 of 12 save a fifth of a step."""
    teacher: str | None = None
    """A shipped reader, a folder, or a hub id."""
    distillation_weight: Share = 0.0
    """share of the loss that comes from the teacher"""
    average: Share | None = None
    """Weight of the trained model in the average with the initial one, or with `merge_with`."""
    merge_with: str | None = None
    """another reader of the same shape: a shipped one, or a folder"""
    sentences: NonNegativeFloat = 0.0
    """Weight of the sentence head's loss relative to the span head's; 0 for no such head."""
    listwise: NonNegativeFloat = 0.0
    """Weight of the loss in which the sentences of all passages of a question compete."""
    head_rate: PositiveFloat = 1.0
    """learning rate of the heads, as a multiple of the encoder's"""


class SetsRecipe(Recipe, _HeldOut):
    """Trains on the sets of a folder."""

    held_out: dict[str, NonNegativeInt] = {}
    """held-out articles of other sets"""
    stage: list[SetsStage] = Field(min_length=1)


class OwnRecipe(Recipe):
    """Trains on a user's own questions."""

    hold_out: Share
    """share of the documents whose questions are held out"""
    stage: list[OwnStage] = Field(min_length=1, max_length=1)


class EmbedderRecipe(_RunSettings, _HeldOut, _RateStage):
    """Tunes an embedder on the sets of a folder."""

    steps: PositiveInt
    scale: PositiveFloat
    """factor on cosines in the softmax"""
    passages: int = Field(ge=2)
    """per batch"""
    questions: PositiveInt
    """maximum number of questions per passage in a batch"""
    max_epochs: PositiveInt
    """maximum number of uses of a passage per epoch"""
    negatives: NonNegativeInt
    """hard negatives per passage in a batch"""
    average: Share
    """Weight of the tuned model in the average with the initial one."""
    sets: dict[str, PositiveInt] = Field(min_length=1)
    """maximum number of questions of each set"""


R = TypeVar("R", SetsRecipe, OwnRecipe, EmbedderRecipe)
_SHIPPED = {SetsRecipe: "reader.toml", OwnRecipe: "finetune.toml", EmbedderRecipe: "embedder.toml"}


def load_recipe(kind: type[R], path: Path | None = None) -> R:
    """Load a recipe, by default the shipped one of its kind. Raises InputError if it is invalid."""
    shipped = Path(__file__).parent / "recipes" / _SHIPPED[kind]
    path = path or shipped
    hint = f"start from a copy of {shipped}"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return kind.model_validate(content)
    except ValidationError as error:  # for example "stage 2.steps: Field required"
        faults = []
        for fault in error.errors():
            place = _place(fault["loc"])
            faults.append(f"{place}: {fault['msg']}")
        message = f"recipe {path} cannot be followed: {'; '.join(faults)}"
        raise InputError(message, hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"recipe {path} is not TOML: {error}", hint) from error


def _place(keys: tuple[int | str, ...]) -> str:
    return "".join(f" {key + 1}" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
