"""`rag train`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.errors import InputError
from rag.protocols import Reader
from rag.render.json import print_json
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.training.evaluate import Measured

_DATA = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("train")
@click.option(
    "--data",
    type=_DATA,
    required=True,
    help="Your questions (gold .jsonl, SQuAD .json or .json.gz), or a folder of question sets.",
)
@click.option("--corpus", type=_DATA, help="Documents that the gold .jsonl questions are about.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the trained model."
)
@click.option(
    "--init",
    help="Model to start from: a reader name, folder or hub id. Default: the recipe's.",
)
@click.option(
    "--recipe",
    type=_FILE,
    help="TOML file. Default: recipes/finetune.toml, or recipes/reader.toml for a folder.",
)
@click.option(
    "--embedder",
    "tune",
    is_flag=True,
    help="Fine-tune an embedder (recipes/embedder.toml) on a folder of question sets.",
)
@click.option(
    "--forms",
    is_flag=True,
    help="Train the form classifier on JSON lines of question and form.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def train_command(
    data: Path,
    corpus: Path | None,
    out: Path,
    init: str | None,
    recipe: Path | None,
    tune: bool,
    forms: bool,
    as_json: bool,
) -> None:
    """Train a reader, an embedder, or the form classifier.

    With your own questions, it fine-tunes the shipped reader and reports held-out scores before and
    after. An interrupted run resumes from its checkpoint with the same result.

    \b
    Examples:
      rag train --data gold.jsonl --corpus ~/notes --out my-reader
      rag train --embedder --data sets --out my-embedder
      rag train --forms --data questions.jsonl --out forms.safetensors
    """
    out = out.resolve()  # the printed setting then works from any folder
    if tune:
        _tune(data, corpus, out, init, recipe)
        print_json({"embedder": str(out)}) if as_json else click.echo(
            f"{out}: use it with RAG_EMBEDDER={out}"
        )
        return
    if forms:
        _forms(data, corpus, out, as_json)
        return
    measured = _train(Settings.load(), data, corpus, out, init, recipe)
    if as_json:
        print_json(
            {
                "reader": str(out),
                **{name: dataclasses.asdict(value) for name, value in measured.items()},
            }
        )
        return
    for name, value in measured.items():
        asked = f"{value.answerable + value.unanswerable} held-out questions"
        click.echo(
            f"{name:7} EM {value.em:5.1f}  F1 {value.f1:5.1f}  F1 at the best refusal threshold "
            f"{value.best_f1:5.1f}  ({asked})"
        )
    click.echo(f"{out}: use it with RAG_READER={out}")


def _train(
    settings: Settings,
    data: Path,
    corpus: Path | None,
    out: Path,
    init: str | None,
    recipe: Path | None,
) -> Mapping[str, Measured]:
    """Train a reader on a folder of question sets, or fine-tune one on the user's own data. Returns
    the scores of the latter, before, if it is not new, and after.
    """
    build.prepare(settings)
    from rag.training.recipe import OwnRecipe, SetsRecipe, load_recipe
    from rag.training.train_reader import fine_tune, train

    if data.is_dir():
        train(load_recipe(SetsRecipe, recipe).model_copy(update=_given(init)), data, out)
        return {}
    own = load_recipe(OwnRecipe, recipe).model_copy(update=_given(init))

    def reader(name: str) -> Reader:
        return build.reader(dataclasses.replace(settings, reader=name))

    before, after = fine_tune(own, data, corpus, out, reader)
    return {"before": before, "after": after} if before else {"after": after}


def _forms(data: Path, corpus: Path | None, out: Path, as_json: bool) -> None:
    """Train the form classifier."""
    if corpus or data.is_dir():
        raise InputError(
            f"--forms learns from a file of labelled questions only, not from {corpus or data}",
            "give the file with --data, and no --corpus",
        )
    from rag.training.form_classifier import read_labelled, train

    done = train(read_labelled(data), build.embedder(Settings.load()), out)
    if as_json:
        print_json({"forms": str(out), **dataclasses.asdict(done)})
        return
    click.echo(f"{done.accuracy:.0%} of {done.questions} questions right in cross-validation")
    for name, share in done.by_form.items():
        click.echo(f"  {name:11} {share:.0%}")
    click.echo(f"{out}: use it with RAG_FORMS={out}")


def _tune(
    data: Path, corpus: Path | None, out: Path, init: str | None, recipe: Path | None
) -> None:
    if corpus or not data.is_dir():
        raise InputError(
            f"--embedder learns from a folder of question sets only, not from {corpus or data}",
            "give the folder with --data",
        )
    build.prepare(Settings.load())
    from rag.training.recipe import EmbedderRecipe, load_recipe
    from rag.training.train_embedder import tune

    tune(load_recipe(EmbedderRecipe, recipe).model_copy(update=_given(init)), data, out)


def _given(init: str | None) -> dict[str, str]:
    return {"init": init} if init else {}
