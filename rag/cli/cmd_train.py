"""`rag train`: trains a reader, an embedder, or the classifier of forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rag import build
from rag.cli.options import LocalPath, command, option, show
from rag.settings import Settings
from rag.types import plain

if TYPE_CHECKING:
    from rag.training.recipe import R

_FOLDER = LocalPath(exists=True, file_okay=False, path_type=Path)
_FILE = LocalPath(exists=True, dir_okay=False, path_type=Path)
_OUT = option("Where to write the model.", required=True)
_INIT = option("Model to start from: a name, folder or hub id. Default: the recipe's.")


@command("reader", "none", fields="reader before after")
def reader_command(
    data: Path = option(
        "Your questions (gold .jsonl, SQuAD .json or .json.gz), or a folder of question sets.",
        type=LocalPath(exists=True, path_type=Path),
        required=True,
    ),
    corpus: Path | None = option(
        "Documents that the gold .jsonl questions are about.",
        type=LocalPath(exists=True, path_type=Path),
    ),
    out: Path = _OUT,
    init: str | None = _INIT,
    recipe: Path | None = option(
        "TOML file. Default: recipes/finetune.toml, or recipes/reader.toml for a folder.",
        type=_FILE,
    ),
) -> None:
    """Train a reader.

    With your own questions, it fine-tunes the shipped reader and reports held-out scores before and
    after. An interrupted run resumes from its checkpoint with the same result.

    \b
    Examples:
      rag train reader --data gold.jsonl --corpus ~/notes --out my-reader
      rag train reader --data sets --recipe reader.toml --out new-reader
    """
    settings, out = Settings.load(), out.resolve()  # the printed setting works from any folder
    build.prepare(settings)
    from rag.training.recipe import OwnRecipe, SetsRecipe
    from rag.training.train_reader import fine_tune, train

    scores = {}
    if data.is_dir():
        train(_recipe(SetsRecipe, recipe, init), data, out)
    else:
        user_recipe = _recipe(OwnRecipe, recipe, init)
        initial_scores, final_scores = fine_tune(
            user_recipe,
            data,
            corpus,
            out,
            lambda name: build.reader(replace(settings, reader=name)),
        )
        scores = (
            {"before": initial_scores, "after": final_scores}
            if initial_scores
            else {"after": final_scores}
        )
    lines = [
        f"{name:7} EM {measured.em:5.1f}  F1 {measured.f1:5.1f}  F1 at the best refusal threshold "
        f"{measured.best_f1:5.1f}  "
        f"({measured.answerable + measured.unanswerable} held-out questions)"
        for name, measured in scores.items()
    ]
    show({"reader": str(out), **plain(scores)}, [*lines, f"{out}: use it with RAG_READER={out}"])


@command("embedder", "none", fields="embedder")
def embedder_command(
    data: Path = option("Folder of question sets.", type=_FOLDER, required=True),
    out: Path = _OUT,
    init: str | None = _INIT,
    recipe: Path | None = option("TOML file. Default: recipes/embedder.toml.", type=_FILE),
) -> None:
    """Fine-tune an embedder on a folder of question sets.

    \b
    Examples:
      rag train embedder --data sets --out my-embedder
      rag train embedder --data sets --init BAAI/bge-small-en-v1.5 --out my-embedder
    """
    build.prepare(Settings.load())
    from rag.training.recipe import EmbedderRecipe
    from rag.training.train_embedder import tune

    out = out.resolve()
    tune(_recipe(EmbedderRecipe, recipe, init), data, out)
    show({"embedder": str(out)}, f"{out}: use it with RAG_EMBEDDER={out}")


@command("forms", "none", fields="forms questions accuracy by_form")
def forms_command(
    data: Path = option("JSON lines of question and form.", type=_FILE, required=True),
    init: Path | None = option(
        "Classifier to which only the forms it lacks are added.", type=_FILE
    ),
    out: Path = _OUT,
) -> None:
    """Train the classifier of answer forms on questions that are labelled with their form.

    \b
    Examples:
      rag train forms --data questions.jsonl --out forms.safetensors
      rag train forms --data questions.jsonl --out forms.safetensors --json
    """
    from rag.training.form_classifier import read_labelled, train

    out = out.resolve()
    trained = train(read_labelled(data), build.embedder(Settings.load()), out, initial=init)
    lines = [
        f"{trained.accuracy:.0%} of {trained.questions} questions right in cross-validation",
        *(f"  {name:11} {share:.0%}" for name, share in trained.by_form.items()),
        f"{out}: use it with RAG_FORMS={out}",
    ]
    show({"forms": str(out), **plain(trained)}, lines)


def _recipe(kind: type[R], path: Path | None, init: str | None) -> R:
    """The recipe in a file, or the kind's own, which may start from another model."""
    from rag.training.recipe import load_recipe

    return load_recipe(kind, path).model_copy(update={"init": init} if init else {})
