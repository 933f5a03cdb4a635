"""A recipe's sets from a folder. Whole articles may be held out, so that no text is used for both
training and testing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.errors import InputError
from rag.training.data import Article, read_squad
from rag.training.recipe import EmbedderRecipe, Mix, SetsRecipe, SetsStage


@dataclass(frozen=True, slots=True)
class Set:
    """Articles to learn from, how to show them, and held-out articles."""

    name: str
    mix: Mix
    articles: list[Article]
    held_out: list[Article]


def split_articles(
    articles: Sequence[Article], held_out: int, seed: int
) -> tuple[list[Article], list[Article]]:
    """(training, development) articles; the same for the same seed."""
    order = sorted(
        articles, key=lambda article: random.Random(f"{seed}{article['title']}").random()
    )
    return order[held_out:], order[:held_out]


def recipe_sets(recipe: SetsRecipe, stage: SetsStage, data: Path) -> list[Set]:
    """A stage's sets from the folder `data`. Raises InputError if one is missing."""
    return [
        Set(name, mix, *recipe_articles(recipe, name, data)) for name, mix in stage.sets.items()
    ]


def recipe_articles(
    recipe: SetsRecipe | EmbedderRecipe, name: str, data: Path
) -> tuple[list[Article], list[Article]]:
    """(training, held-out) articles of the set `name` in the folder `data`. Raises InputError if it
    is missing.
    """
    path = set_path(data, f"{name}.json.gz")
    also = recipe.held_out if isinstance(recipe, SetsRecipe) else {}
    held_out = recipe.dev_articles if name == recipe.dev_set else also.get(name, 0)
    return split_articles(read_squad(path), held_out, recipe.seed)


def set_path(data: Path, name: str) -> Path:
    """A set's file in `data` or a subfolder. Raises InputError if it is missing."""
    paths = [path for path in (data / name, *sorted(data.glob(f"*/{name}"))) if path.exists()]
    if not paths:
        raise InputError(
            f"no {data / name}, which the recipe names",
            "point --data at the folder with the recipe's sets",
        )
    return paths[0]
