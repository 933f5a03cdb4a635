"""`rag connect`: adds rag to the configuration of an agent (MCP), or removes it."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from rag.cli.agent_config import (
    CLIENTS,
    ConfigChange,
    Server,
    config_path,
    connected,
    disconnected,
    write,
)
from rag.cli.options import is_json, shared, show
from rag.errors import InputError, install_line
from rag.settings import Settings


@click.command("connect")
@click.argument("client", type=click.Choice(CLIENTS))
@click.option("--remove", is_flag=True, help="Remove rag's entry.")
@click.option(
    "--project", is_flag=True, help="Change the current folder's configuration instead of yours."
)
@click.option(
    "--url",
    default="",
    metavar="URL",
    help="Connect to a running rag serve instead of starting rag mcp.",
)
@click.option(
    "--key-env",
    default="",
    metavar="NAME",
    help="With --url: environment variable that holds the API key.",
)
@click.option(
    "--allow-writes", is_flag=True, help="Also offer the tools run_grid, ingest and delete."
)
@click.option("--name", default="rag", show_default=True, help="Name of the entry.")
@click.option("--yes", "-y", is_flag=True, help="Write without asking.")
@shared
def connect_command(
    settings: Settings,
    client: str,
    remove: bool,
    project: bool,
    url: str,
    key_env: str,
    allow_writes: bool,
    name: str,
    yes: bool,
) -> None:
    """Add rag to CLIENT's MCP configuration, so that the agent can use the documents.

    Shows the change and asks before writing; the old file is kept as a backup. Restart the agent
    afterwards.

    \b
    Examples:
      rag connect claude
      rag connect codex --index ~/notes/index
      rag connect cursor --url http://127.0.0.1:8000 --key-env RAG_KEY
      rag connect claude --remove
    """
    path = config_path(client, project)
    if remove:
        change = disconnected(client, path, name)
    else:
        server = _at_url(url, key_env) if url else _local(settings, allow_writes)
        change = connected(client, path, server, name)
    backup = _written(change, yes) if change.is_needed else None
    outcome = f"written{f'; backup: {backup}' if backup else ''}"
    value = {"path": path, "changed": change.is_needed, "backup": backup}
    show(value, f"{path}: {outcome if change.is_needed else 'nothing to change'}")


def _written(change: ConfigChange, yes: bool) -> Path | None:
    click.echo(change.diff, err=is_json())
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(
            f"{change.path} needs your confirmation", "review the change above, then add --yes"
        )
    if not yes:
        click.confirm(f"Write {change.path}?", abort=True)
    return write(change)


def _local(settings: Settings, allow_writes: bool) -> Server:
    if settings.store != "local":
        message = (
            "the database's address may contain a password and is not written to the agent's "
            "configuration"
        )
        raise InputError(message, "start rag serve, and connect with --url http://127.0.0.1:8000")
    if find_spec("mcp") is None:
        raise InputError("rag mcp needs mcp, which is not installed", f"run: {install_line('mcp')}")
    program = shutil.which("rag")
    command, first = (program, []) if program else (sys.executable, ["-m", "rag"])
    args = [*first, "mcp", "--index", str(settings.index.resolve())]
    return Server(command, tuple([*args, "--allow-writes"] if allow_writes else args))


def _at_url(url: str, key_env: str) -> Server:
    if not url.startswith(("http://", "https://")):
        raise InputError(f"--url {url} is not a URL", "write it as http://127.0.0.1:8000")
    whole = url.rstrip("/")
    return Server(url=whole if whole.endswith("/mcp") else f"{whole}/mcp", key_env=key_env)
