"""`rag keys`."""

from __future__ import annotations

import dataclasses

import click

from rag.cli.options import print_json, shared
from rag.errors import InputError
from rag.render.terminal import clean
from rag.settings import Settings


@click.group("keys")
def keys_command() -> None:
    """API keys of the HTTP service. Once there is one, nobody asks without."""


@keys_command.command("add")
@click.argument("name")
@click.option("--write", is_flag=True, help="It may also change documents; by default it may only read.")
@shared
def add(settings: Settings, as_json: bool, name: str, write: bool) -> None:
    """Make a key called NAME and print it. It is shown this once."""
    from rag.server.api_keys import READ, WRITE, keys_of

    if not name.strip():
        raise InputError("the key has no name", "say what it is for: rag keys add NAME")
    key, token = keys_of(settings).add(name, WRITE if write else READ)
    if as_json:
        print_json({"id": key.id, "name": key.name, "scope": key.scope, "key": token})
        return
    click.echo(token)
    click.echo(f"{key.scope} key {key.id} for {clean(name)}; keep it now, it is not shown again", err=True)


@keys_command.command("list")
@shared
def list_keys(settings: Settings, as_json: bool) -> None:
    """List the keys, revoked ones too; never the keys themselves."""
    from rag.server.api_keys import keys_of

    shown = [{k: v for k, v in dataclasses.asdict(key).items() if k != "sha256"} for key in keys_of(settings).all()]
    if as_json:
        print_json(shown)
        return
    for key in shown:
        state = f"revoked {key['revoked']}" if key["revoked"] else "active"
        click.echo(f"{key['id']}  {key['scope']:5}  {key['created']}  {state:8}  {clean(key['name'])}")


@keys_command.command("revoke")
@click.argument("name")
@shared
def revoke(settings: Settings, as_json: bool, name: str) -> None:
    """Revoke the key with this id, or all called NAME. A running service refuses it from then on."""
    from rag.server.api_keys import keys_of

    revoked = [key.id for key in keys_of(settings).revoke(name)]
    if as_json:
        print_json({"revoked": revoked})
        return
    for key_id in revoked:
        click.echo(f"revoked {key_id}")
