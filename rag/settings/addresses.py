"""Addresses of PostgreSQL databases."""

import re

SCHEMES = ("postgresql://", "postgres://")
_SECRETS = re.compile(r"([?&](?:password|sslpassword|sslkey|passfile)=)[^&]*")
_LOGIN = re.compile(r"^(\w+://)(?:([^:/?#]*)(:.*)?@)?", re.DOTALL)


def shown(dsn: str) -> str:
    """A PostgreSQL address without its password, even if the address is malformed."""

    def login(match: re.Match[str]) -> str:
        scheme, user, password = match.groups()
        return scheme + ("" if user is None else f"{user}@" if password is None else f"{user}:***@")

    return _SECRETS.sub(r"\1***", _LOGIN.sub(login, dsn))
