"""`rag collection`."""

from __future__ import annotations

import dataclasses

import click

from rag import build
from rag.cli.main import LazyGroup
from rag.cli.options import shared_by_all, show
from rag.server.audit import Audit
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.store.collection_folders import Collection


@click.group("collection", cls=LazyGroup)
def collection_group() -> None:
    """Manage collections: separate named indexes that share only the models.

    \b
    Examples:
      rag collection create contracts
      rag ingest --collection contracts ~/contracts
      rag ask --collection contracts "When does the lease end?"
    """


@collection_group.command("create")
@click.argument("name")
@shared_by_all
def create(settings: Settings, as_json: bool, name: str) -> None:
    """Create an empty collection called NAME.

    \b
    Examples:
      rag collection create contracts
      rag collection create contracts --index ~/notes/index
    """
    _report(settings, build.collections(settings).create(name), "created", as_json)


@collection_group.command("list")
@shared_by_all
def list_collections(settings: Settings, as_json: bool) -> None:
    """List the collections, the default one first.

    \b
    Examples:
      rag collection list
      rag collection list --json
    """
    default = Collection(DEFAULT_COLLECTION, DEFAULT_COLLECTION, "")
    collections = [default, *build.collections(settings).all()]
    lines = [f"{collection.name:20} {collection.created}".rstrip() for collection in collections]
    show(collections, as_json, lambda: lines)


@collection_group.command("rename")
@click.argument("name")
@click.argument("new")
@shared_by_all
def rename(settings: Settings, as_json: bool, name: str, new: str) -> None:
    """Rename the collection NAME to NEW. API keys for it remain valid.

    \b
    Examples:
      rag collection rename contracts contracts-2025
      rag collection rename contracts archive --index ~/notes/index
    """
    _report(settings, build.collections(settings).rename(name, new), "renamed", as_json)


@collection_group.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@shared_by_all
def delete(settings: Settings, as_json: bool, name: str, yes: bool) -> None:
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
    _report(settings, collections.delete(name), "deleted", as_json)


def _report(settings: Settings, collection: Collection, outcome: str, as_json: bool) -> None:
    Audit(settings.index).note(
        f"collection {outcome}", collection=collection.id, name=collection.name
    )
    value = dataclasses.asdict(collection) | {"done": outcome}
    show(value, as_json, lambda: f"{outcome} {collection.name}")
