"""The right that a key needs for each route. Every endpoint declares it: `@needs(Right.READ)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeVar

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

E = TypeVar("E", bound=Callable[..., object])


class Right(Enum):
    """A right to the collection of the path, unless it says otherwise."""

    OPEN = "no key"
    ANY = "any key; the endpoint checks which collections it names"
    READ = "a key for the collection"
    WRITE = "a key with scope write for the collection"
    OPERATE = "a key for all collections"
    MANAGE = "a key with scope write for all collections"

    @property
    def writes(self) -> bool:
        return self in (Right.WRITE, Right.MANAGE)

    @property
    def everywhere(self) -> bool:
        return self in (Right.OPERATE, Right.MANAGE)


def needs(right: Right) -> Callable[[E], E]:
    """Declare the right that an endpoint needs."""

    def declare(endpoint: E) -> E:
        endpoint.right = right  # type: ignore[attr-defined]
        return endpoint

    return declare


class RouteRights:
    """The rights of all routes."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        """Raises AttributeError if an endpoint declares no right."""
        self.declared: list[tuple[Route, Right]] = [
            (route, route.endpoint.right)  # type: ignore[attr-defined]
            for route in routes
            if isinstance(route, Route)
        ]

    def needed(self, scope: Scope) -> Right:
        """The right for a request; READ for unknown routes, so only a key learns which exist."""
        matches = (right for route, right in self.declared if route.matches(scope)[0] is Match.FULL)
        return next(matches, Right.READ)
