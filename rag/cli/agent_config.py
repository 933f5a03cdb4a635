"""Adds rag to the configuration of programs that use MCP, and removes it.

Each program has one file, whose other entries stay unchanged. A file that is not plain JSON or TOML
is never changed; the error shows what to add by hand.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import InputError, NotFoundError, writing_to

Entry = dict[str, Any]
CLIENTS = ("claude", "claude-desktop", "codex", "cursor", "vscode")
BACKUP = ".before-rag"
"""Suffix of the backup made before each change."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True)
class Server:
    """How a program reaches rag: it starts `command` with `args`, or connects to `url`.

    `key_env` names the environment variable with the API key; "" if none is needed.
    """

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
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if project:
        project_paths = {
            "claude": ".mcp.json",
            "codex": ".codex/config.toml",
            "cursor": ".cursor/mcp.json",
        }
        project_paths["vscode"] = ".vscode/mcp.json"
        if client not in project_paths:
            raise InputError(f"{client} has no configuration per folder", "leave out --project")
        return Path(project_paths[client])
    if client == "claude":
        return home / ".claude.json"
    if client == "codex":
        return Path(environ.get("CODEX_HOME") or home / ".codex") / "config.toml"
    if client == "cursor":
        return home / ".cursor" / "mcp.json"
    data = _application_data(home, environ)
    return (
        data / "Code/User/mcp.json"
        if client == "vscode"
        else data / "Claude/claude_desktop_config.json"
    )


def _application_data(home: Path, environ: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData/Roaming")
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config")


def connected(client: str, path: Path, server: Server, name: str = "rag") -> ConfigChange:
    """Add rag's entry, or replace an older one."""
    return _changed(client, path, name, entry(client, server))


def disconnected(client: str, path: Path, name: str = "rag") -> ConfigChange:
    """Remove rag's entry. Raises NotFoundError if there is none."""
    return _changed(client, path, name, None)


def entry(client: str, server: Server) -> Entry:
    """rag's entry in the program's own format."""
    if not server.url:
        started: Entry = {"command": server.command, "args": list(server.args)}
        return {"type": "stdio", **started} if client in ("claude", "vscode") else started
    if client == "claude-desktop":
        message = "Claude Desktop can only start programs, not connect to a URL"
        raise InputError(message, "leave out --url")
    new_entry: Entry = (
        {"url": server.url}
        if client in ("codex", "cursor")
        else {"type": "http", "url": server.url}
    )
    if server.key_env and client == "codex":
        return new_entry | {"bearer_token_env_var": server.key_env}
    if server.key_env:
        value = {"claude": f"${{{server.key_env}}}", "vscode": "${input:rag-key}"}
        token = value.get(client, f"${{env:{server.key_env}}}")
        return new_entry | {"headers": {"Authorization": f"Bearer {token}"}}
    return new_entry


def _changed(client: str, path: Path, name: str, new_entry: Entry | None) -> ConfigChange:
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a valid server name", "use letters, digits, - and _")
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", "check the file's owner and permissions"
        ) from error
    edit = _edited_toml if client == "codex" else _edited_json
    return ConfigChange(path, before, edit(client, path, before or "", name, new_entry))


def _edited_json(client: str, path: Path, before: str, name: str, new_entry: Entry | None) -> str:
    key = "servers" if client == "vscode" else "mcpServers"
    try:
        config = json.loads(before) if before.strip() else {}
        servers = config.get(key, {})
        is_present = name in servers
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise _by_hand(path, "JSON", json.dumps({key: {name: new_entry}}, indent=2)) from error
    if new_entry is None:
        if not is_present:
            raise NotFoundError(
                f"{path} has no entry {name}", "look for its name in the file and pass it as --name"
            )
        del servers[name]
    else:
        servers[name] = new_entry
    config[key] = servers
    if client == "vscode" and new_entry and "headers" in new_entry:
        _ask_for_key(config)
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _ask_for_key(config: dict[str, Any]) -> None:
    """Have VS Code ask for the key once, so that the file does not contain it."""
    inputs = config.setdefault("inputs", [])
    if not any(item.get("id") == "rag-key" for item in inputs):
        inputs.append(
            {
                "id": "rag-key",
                "type": "promptString",
                "description": "API key of rag",
                "password": True,
            }
        )


def _edited_toml(client: str, path: Path, before: str, name: str, new_entry: Entry | None) -> str:
    """Edit the text directly, so that comments and order stay unchanged."""
    table = _toml_table(name, new_entry) if new_entry else ""
    try:
        is_present = name in tomllib.loads(before).get("mcp_servers", {})
    except (ValueError, RecursionError, TypeError) as error:
        raise _by_hand(path, "TOML", table) from error
    if new_entry is None and not is_present:
        raise NotFoundError(
            f"{path} has no entry {name}", "look for its name in the file and pass it as --name"
        )
    remainder = _without_table(before, name) if is_present else before
    after = (
        remainder.rstrip("\n")
        + ("\n\n" if remainder.strip() and table else "\n" if remainder.strip() else "")
        + table
    )
    try:
        entry = tomllib.loads(after).get("mcp_servers", {}).get(name)
    except ValueError as error:
        raise _by_hand(path, "TOML that can be edited safely", table) from error
    if entry != new_entry:
        raise _by_hand(path, "TOML that can be edited safely", table)
    return after


def _without_table(text: str, name: str) -> str:
    """Remove the lines of `[mcp_servers.NAME]` and its subtables."""
    header = re.compile(
        rf"\s*\[\s*mcp_servers\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*(\.[^\]]*)?\]\s*(#.*)?"
    )
    lines, inside = [], False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            inside = header.fullmatch(line.rstrip("\n")) is not None
        if not inside:
            lines.append(line)
    return "".join(lines)


def _toml_table(name: str, new_entry: Entry) -> str:
    """A TOML table; JSON strings and lists are valid TOML."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in new_entry.items()]
    return "\n".join([f"[mcp_servers.{name}]", *lines]) + "\n"


def _by_hand(path: Path, kind: str, snippet: str) -> InputError:
    return InputError(
        f"{path} is not {kind}, so it was not changed", f"add this by hand:\n{snippet}"
    )


def write(change: ConfigChange) -> Path | None:
    """Write the file atomically. Returns the path of the backup, if there was a file before."""
    path = change.path.resolve()  # follow a symlink instead of replacing it
    backup = path.with_name(path.name + BACKUP) if change.before is not None else None
    with writing_to(path, "check the file's owner and permissions"):
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if change.before is not None else 0o600
        if backup:
            _put(backup, change.before or "", mode)
        _put(path, change.after, mode)
    return backup


def _put(path: Path, text: str, mode: int) -> None:
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, mode)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
