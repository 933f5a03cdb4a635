"""`rag collection`: creates, lists, renames and deletes collections."""

from __future__ import annotations

import dataclasses

import click

from rag import build
from rag.cli.main import LazyGroup
from rag.cli.options import shared_by_all, show
from rag.server.audit import Audit
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.store.collections import Collection


@click.group("collection", cls=LazyGroup)
def collection_command() -> None:
    """Manage collections: separate named indexes that share only the models.

    \b
    Examples:
      rag collection create contracts
      rag ingest --collection contracts ~/contracts
      rag ask --collection contracts "When does the lease end?"
    """


@collection_command.command("create")
@click.argument("name")
@shared_by_all
def create(settings: Settings, name: str) -> None:
    """Create an empty collection called NAME.

    \b
    Examples:
      rag collection create contracts
      rag collection create contracts --index ~/notes/index
    """
    _report(settings, build.collections(settings).create(name), "created")


@collection_command.command("list")
@shared_by_all
def list_collections(settings: Settings) -> None:
    """List the collections, the default one first.

    \b
    Examples:
      rag collection list
      rag collection list --json
    """
    default = Collection(DEFAULT_COLLECTION, DEFAULT_COLLECTION, "")
    collections = [default, *build.collections(settings).all()]
    lines = [f"{collection.name:20} {collection.created}".rstrip() for collection in collections]
    show(collections, lines)


@collection_command.command("rename")
@click.argument("name")
@click.argument("new")
@shared_by_all
def rename(settings: Settings, name: str, new: str) -> None:
    """Rename the collection NAME to NEW. API keys for it remain valid.

    \b
    Examples:
      rag collection rename contracts contracts-2025
      rag collection rename contracts archive --index ~/notes/index
    """
    _report(settings, build.collections(settings).rename(name, new), "renamed")


@collection_command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@shared_by_all
def delete(settings: Settings, name: str, yes: bool) -> None:
    """Delete the collection NAME and every document in it.

    \b
    Examples:
      rag collection delete contracts
      rag collection delete contracts --yes
    """
    collections = build.collections(settings)
    collections.named(name)
    if not yes:
        click.confirm(f"delete collection {name} and all documents in it?", abort=True, err=True)
    _report(settings, collections.delete(name), "deleted")


def _report(settings: Settings, collection: Collection, outcome: str) -> None:
    Audit(settings.index).note(
        f"collection {outcome}", collection=collection.id, name=collection.name
    )
    value = dataclasses.asdict(collection) | {"done": outcome}
    show(value, f"{outcome} {collection.name}")
