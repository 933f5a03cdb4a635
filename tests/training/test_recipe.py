"""Errors in a recipe are reported before anything is loaded, in the recipe's terms."""

from pathlib import Path

import pytest

from rag.errors import InputError
from rag.training import recipe
from rag.training.recipe import EmbedderRecipe, OwnRecipe, SetsRecipe, load_recipe

SHIPPED = Path(recipe.__file__).parent / "recipes"
FORMER = Path(__file__).parents[2] / "eval/experiments/recipes"
RECIPES = [*sorted(SHIPPED.glob("*.toml")), *sorted(FORMER.rglob("*.toml"))]


def load(name: str, path: Path) -> SetsRecipe | OwnRecipe | EmbedderRecipe:
    if name == "embedder.toml":
        return load_recipe(EmbedderRecipe, path)
    if name == "finetune.toml":
        return load_recipe(OwnRecipe, path)
    return load_recipe(SetsRecipe, path)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path: Path) -> None:
    assert load(path.name, path).seed == 20261125


@pytest.mark.parametrize("content", ["seed", "a = " + "[" * 9999])
def test_invalid_toml_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "my.toml").write_text(content)
    with pytest.raises(InputError, match=r"recipe .*my\.toml is not TOML") as error:
        load_recipe(SetsRecipe, tmp_path / "my.toml")
    assert "start from a copy of" in error.value.hint


@pytest.mark.parametrize(
    ("name", "line", "wrong_line", "fault"),
    [
        ("reader.toml", "seed =", "sed =", "[:;] seed: Field required"),
        ("reader.toml", "to = 0.0", "to = -1.0", r"stage 2\.to: .*greater than or equal to 0"),
        ("reader.toml", "from = 6.0e-5", "from = nan", r"stage 1\.from: .*finite"),
        (
            "reader.toml", "drop_gold = 0.06", "absnt = 0.06",
            r"stage 1\.sets\.squad-train-parts\.absnt: Extra",
        ),
        ("reader.toml", "steps = 500", 'steps = "many"', r"stage 1\.steps: .*integer"),
        ("finetune.toml", "[[stage]]", "stage = [1]\n[more]", "stage 1: .*valid"),
    ],
)  # fmt: skip
def test_errors_are_named(
    tmp_path: Path, name: str, line: str, wrong_line: str, fault: str
) -> None:
    shipped = (SHIPPED / name).read_text(encoding="utf-8")
    assert line in shipped
    (tmp_path / "my.toml").write_text(shipped.replace(line, wrong_line))
    words = rf"recipe .*my\.toml cannot be followed.*{fault}"
    with pytest.raises(InputError, match=words) as error:
        load(name, tmp_path / "my.toml")
    assert str(SHIPPED / name) in error.value.hint
