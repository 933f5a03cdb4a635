"""Adds rag to the configuration of programs that use MCP, and removes it.

Each program has one file, whose other entries stay unchanged. A file that is not plain JSON or TOML
is never changed; the error shows what to add by hand.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rag.errors import InputError, NotFoundError, writing_to
from rag.server.owner_files import replace_file

Entry = dict[str, Any]
BACKUP = ".before-rag"
"""Suffix of the backup made before each change."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


class _Agent(NamedTuple):
    """A program: the paths of the user's configuration and of a project's ("" if it has no such
    file); the key of its servers; whether an entry states its `type`; how it writes the value of an
    environment variable, "" if it cannot connect to a URL.
    """

    path: str
    project: str
    servers: str = "mcpServers"
    is_typed: bool = False
    variable: str = ""


_AGENTS = {
    "claude": _Agent("{home}/.claude.json", ".mcp.json", is_typed=True, variable="${%s}"),
    "claude-desktop": _Agent("{data}/Claude/claude_desktop_config.json", ""),
    "codex": _Agent("{codex}/config.toml", ".codex/config.toml", "mcp_servers", variable="%s"),
    "cursor": _Agent("{home}/.cursor/mcp.json", ".cursor/mcp.json", variable="${env:%s}"),
    "vscode": _Agent(
        "{data}/Code/User/mcp.json", ".vscode/mcp.json", "servers", True, "${input:rag-key}"
    ),
}
CLIENTS = tuple(_AGENTS)
_VSCODE_KEY = {
    "id": "rag-key",
    "type": "promptString",
    "description": "API key of rag",
    "password": True,
}
"""Has VS Code ask for the key once, so that the file does not contain it."""


@dataclass(frozen=True, slots=True)
class Server:
    """How a program reaches rag: it starts `command`, or connects to `url` with a key, if named."""

    command: str = ""
    args: tuple[str, ...] = ()
    url: str = ""
    key_env: str = ""


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A file before and after the change; `before` is None if the file does not exist yet."""

    path: Path
    before: str | None
    after: str

    @property
    def is_needed(self) -> bool:
        return (self.before or "") != self.after

    @property
    def diff(self) -> str:
        before = (self.before or "").splitlines(keepends=True)
        after, name = self.after.splitlines(keepends=True), str(self.path)
        return "".join(difflib.unified_diff(before, after, name, name))


def config_path(client: str, project: bool, environ: Mapping[str, str] | None = None) -> Path:
    """Path of the program's configuration: the user's, or with `project` the current folder's."""
    agent = _AGENTS[client]
    if project:
        if not agent.project:
            raise InputError(f"{client} has no configuration per folder", "leave out --project")
        return Path(agent.project)
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    data = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        data = Path(environ.get("APPDATA") or home / "AppData/Roaming")
    codex = environ.get("CODEX_HOME") or home / ".codex"
    return Path(agent.path.format(home=home, data=data, codex=codex))


def connected(client: str, path: Path, server: Server, name: str = "rag") -> ConfigChange:
    """Add rag's entry, or replace an older one."""
    return _changed(client, path, name, entry(client, server))


def disconnected(client: str, path: Path, name: str = "rag") -> ConfigChange:
    """Remove rag's entry. Raises NotFoundError if there is none."""
    return _changed(client, path, name, None)


def entry(client: str, server: Server) -> Entry:
    """rag's entry in the program's own format."""
    agent = _AGENTS[client]
    if not server.url:
        typed: Entry = {"type": "stdio"} if agent.is_typed else {}
        return {**typed, "command": server.command, "args": list(server.args)}
    if not agent.variable:
        message = "Claude Desktop can only start programs, not connect to a URL"
        raise InputError(message, "leave out --url")
    at_url: Entry = {**({"type": "http"} if agent.is_typed else {}), "url": server.url}
    if not server.key_env:
        return at_url
    if client == "codex":
        return at_url | {"bearer_token_env_var": server.key_env}
    key = agent.variable.replace("%s", server.key_env)
    return at_url | {"headers": {"Authorization": f"Bearer {key}"}}


def _changed(client: str, path: Path, name: str, new_entry: Entry | None) -> ConfigChange:
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a valid server name", "use letters, digits, - and _")
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        hint = "check the file's owner and permissions"
        raise InputError(f"{path} cannot be read: {error}", hint) from error
    key, text, snippet = _AGENTS[client].servers, before or "", ""
    if client == "codex":
        kind, parse = "TOML", tomllib.loads
        if new_entry:  # JSON strings and lists are valid TOML
            values = [f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in new_entry.items()]
            snippet = "\n".join([f"[{key}.{name}]", *values])
    else:
        kind, parse = "JSON", json.loads
        snippet = json.dumps({key: {name: new_entry}}, indent=2)
    try:
        config = parse(text) if text.strip() else {}
        is_present = name in config.get(key, {})
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise _by_hand(path, kind, snippet) from error
    if not is_present and not new_entry:
        hint = "look for its name in the file and pass it as --name"
        raise NotFoundError(f"{path} has no entry {name}", hint)
    if client != "codex":
        return ConfigChange(path, before, _with_entry(client, config, name, new_entry))
    # the text is edited directly, so that comments and order stay unchanged
    remainder = _without_table(text, key, name) if is_present else text
    parts = [part.rstrip("\n") for part in (remainder, snippet) if part.strip()]
    after = "\n\n".join(parts) + ("\n" if parts else "")
    try:
        is_right = tomllib.loads(after).get(key, {}).get(name) == new_entry
    except ValueError:
        is_right = False
    if not is_right:
        raise _by_hand(path, "TOML that can be edited safely", snippet)
    return ConfigChange(path, before, after)


def _with_entry(client: str, config: Entry, name: str, new_entry: Entry | None) -> str:
    """The configuration in JSON with this entry, or without one."""
    servers = config.setdefault(_AGENTS[client].servers, {})
    servers[name] = new_entry
    if new_entry is None:
        del servers[name]
    elif client == "vscode" and "headers" in new_entry:
        inputs = config.setdefault("inputs", [])
        if not any(item.get("id") == _VSCODE_KEY["id"] for item in inputs):
            inputs.append(_VSCODE_KEY)
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _without_table(text: str, key: str, name: str) -> str:
    """Remove the lines of `[key.name]` and its subtables."""
    header = re.compile(
        rf"\s*\[\s*{key}\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*(\.[^\]]*)?\]\s*(#.*)?"
    )
    lines, inside = [], False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            inside = header.fullmatch(line.rstrip("\n")) is not None
        if not inside:
            lines.append(line)
    return "".join(lines)


def _by_hand(path: Path, kind: str, snippet: str) -> InputError:
    message = f"{path} is not {kind}, so it was not changed"
    return InputError(message, f"add this by hand:\n{snippet}")


def write(change: ConfigChange) -> Path | None:
    """Write the file atomically. Returns the path of the backup, if there was a file before."""
    path = change.path.resolve()  # follow a symlink instead of replacing it
    backup = path.with_name(path.name + BACKUP) if change.before is not None else None
    with writing_to(path, "check the file's owner and permissions"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if backup:
            shutil.copy(path, backup)
        replace_file(path, change.after)  # mode 600
        if backup:
            shutil.copymode(backup, path)
    return backup
