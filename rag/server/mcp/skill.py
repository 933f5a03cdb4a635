"""SKILL.md as the protocol's extension `io.modelcontextprotocol/skills` (SEP-2640), for agents that
load skills from servers; for others it is a resource.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml
from mcp.server.extension import Extension, MethodBinding, ResourceBinding
from mcp.server.mcpserver.resources import TextResource
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, RequestParams

FILE = Path(__file__).with_name("SKILL.md")
URI = "skill://rag/SKILL.md"
_SINCE = frozenset({"2026-07-28"})
"""Revisions of the protocol that have the extension."""
_CACHED = {"resultType": "complete", "ttlMs": 3_600_000, "cacheScope": "public"}


class GetSkill(RequestParams):
    uri: str


class Skills(Extension):
    """Serves the skill of this package."""

    identifier = "io.modelcontextprotocol/skills"

    def __init__(self) -> None:
        content = FILE.read_bytes()
        self._text = content.decode()
        self._front: dict[str, Any] = yaml.safe_load(self._text.split("---\n", 2)[1])
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        file = {"uri": URI, "digest": digest, "size": len(content)}
        self._entry = {"uri": URI, "frontmatter": self._front, "resources": [file]}

    def resources(self) -> list[ResourceBinding]:
        resource = TextResource(
            uri=URI,
            name=self._front["name"],
            description=self._front["description"],
            mime_type="text/markdown",
            text=self._text,
        )
        return [ResourceBinding(resource)]

    def methods(self) -> list[MethodBinding]:
        return [
            MethodBinding("skills/list", RequestParams, self._list, _SINCE),
            MethodBinding("skills/get", GetSkill, self._get, _SINCE),
        ]

    async def _list(self, _: Any, __: RequestParams) -> dict[str, Any]:
        return {**_CACHED, "skills": [self._entry]}

    async def _get(self, _: Any, params: GetSkill) -> dict[str, Any]:
        if params.uri != URI:
            raise MCPError(INVALID_PARAMS, f"no skill {params.uri[:200]}; there is {URI}")
        return {**_CACHED, "skill": self._entry}
