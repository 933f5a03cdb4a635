"""Cross-origin requests with a key (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import Response

from rag.errors import InputError

_EXPOSED = (
    "ETag, Location, Retry-After, X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, "
    "X-RateLimit-Reset"
)


class Cors:
    """The allowed origins."""

    def __init__(self, origins: str) -> None:
        """`origins` is comma-separated. Raises InputError for an invalid origin; "*" is not
        allowed.
        """
        self._origins = {_checked(one.strip()) for one in origins.split(",") if one.strip()}

    def allowed(self, origin: str) -> str:
        """The origin if it is allowed, else ""."""
        return origin if origin in self._origins else ""

    def preflight(self) -> Response:
        """Response to a preflight request."""
        headers = {
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": (
                "Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID"
            ),
            "Access-Control-Max-Age": "600",
        }
        return Response(status_code=204, headers=headers)


def cors_headers(origin: str) -> dict[str, str]:
    """CORS headers without credentials: a page sends its key explicitly."""
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


def _checked(origin: str) -> str:
    parts = urlsplit(origin)
    if (
        parts.scheme not in ("http", "https")
        or origin != f"{parts.scheme}://{parts.netloc}"
        or not parts.hostname
    ):
        raise InputError(
            f"cors_origins: {origin!r} is not an origin",
            "write RAG_CORS_ORIGINS=https://app.example.org",
        )
    return origin
