"""Where a Redis is and how to log in, however the settings spell it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from bali_platform.base.errors import UsageError
from bali_platform.base.settings import Settings

SPELLINGS = (
    "redis://user:password@host:6379/0, rediss://... with TLS, or unix:///path/to/socket?db=0"
)
_PLACE = re.compile(
    r"(?P<host>\[[^\]]+\]|[^:/?#@\[\]]*)(:(?P<port>\d{1,5}))?"
    r"(/(?P<database>\d*))?(\?(?P<options>\w+=[^&]*(&\w+=[^&]*)*))?"
)
_ENCODED = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True)
class RedisAddress:
    """A Redis server: a host and port, or with ``socket`` a path on this machine.

    ``options`` are those of a URL's query that redis-py knows. Certificates are always checked,
    with ``ca`` (a file) or what the system trusts, unless an option says otherwise.
    """

    host: str = "localhost"
    port: int = 6379
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: str = ""
    socket: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The URL as redis-py reads it, password included: not for logs."""
        return self._url(self._login)

    @property
    def public_url(self) -> str:
        """The URL without the password."""
        return self._url("")

    @property
    def broker(self) -> dict[str, Any]:
        """The same server as Celery's settings name it."""
        if self.socket:
            url = f"redis+socket://{self._login}{self.socket}?virtual_host={self.database}"
            return {"broker_url": url}
        scheme = "rediss" if self.tls else "redis"
        url = f"{scheme}://{self._login}{self._place}"
        if not self.tls:
            return {"broker_url": url}
        checks = {"ssl_cert_reqs": "required", "ssl_check_hostname": True} | {
            name: value for name, value in self._all_options.items() if name.startswith("ssl_")
        }
        return {"broker_url": url, "broker_use_ssl": checks}

    @property
    def _login(self) -> str:
        if not (self.user or self.password):
            return ""
        return f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.database}"

    @property
    def _all_options(self) -> dict[str, str]:
        return {**self.options, **({"ssl_ca_certs": self.ca} if self.ca else {})}

    def _url(self, login: str) -> str:
        if self.socket:
            return f"unix://{login}{self.socket}?db={self.database}"
        options = self._all_options if self.tls else dict(self.options)
        query = f"?{urlencode(options)}" if options else ""
        return f"{'rediss' if self.tls else 'redis'}://{login}{self._place}{query}"


def external_redis(settings: Settings) -> RedisAddress | None:
    """Return the Redis that the settings name, None when it is the home's own.

    Raises:
        UsageError: ``redis_url`` is no address of a Redis.
    """
    if not settings.external_redis:
        return None
    url = settings.redis_url
    address = parse_redis_url(url.get_secret_value()) if url else RedisAddress()
    password = settings.redis_password
    given = {
        "host": settings.redis_host,
        "port": settings.redis_port,
        "database": settings.redis_database,
        "user": settings.redis_user,
        "password": password and password.get_secret_value(),
        "tls": settings.redis_tls or bool(settings.redis_ca) or None,
        "ca": settings.redis_ca and str(settings.redis_ca),
    }
    changes: Any = {name: value for name, value in given.items() if value is not None}
    return replace(address, **changes)


def parse_redis_url(url: str) -> RedisAddress:
    """Read a URL; a password in it may hold any character, as it is or percent-encoded.

    >>> parse_redis_url("redis://:ab/cd+ef==@127.0.0.1:6379/0").password
    'ab/cd+ef=='
    >>> parse_redis_url("redis://:ab%2Fcd@127.0.0.1").password
    'ab/cd'

    Raises:
        UsageError: this is no address of a Redis. The message does not show it.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("redis", "rediss", "unix"):
        raise _refused()
    if scheme == "unix":
        return _socket(rest)
    login, place = _split(rest)
    found = _PLACE.fullmatch(place)
    if not found or int(found["port"] or 0) > 65535:
        raise _refused()
    user, password = _user_and_password(login)
    options = dict(parse_qsl(found["options"] or ""))
    return RedisAddress(
        host=found["host"].strip("[]") or "localhost",
        port=int(found["port"] or 6379),
        database=int(found["database"] or options.pop("db", "0")),
        user=user,
        password=password,
        tls=scheme == "rediss",
        ca=options.pop("ssl_ca_certs", ""),
        options=options,
    )


def _split(rest: str) -> tuple[str, str]:
    """Return what stands before the place, and the place; a raw password may hold ``/?#@``."""
    network = re.split("[/?#]", rest, maxsplit=1)[0]
    login, at, host = network.rpartition("@")
    place = host + rest[len(network) :]
    if (at or not place.startswith(":") or "@" not in place) and _PLACE.fullmatch(place):
        return login, place
    login, _, place = rest.rpartition("@")
    return login, place


def _user_and_password(login: str) -> tuple[str, str]:
    user, _, password = login.partition(":")
    if not _ENCODED.fullmatch(login):  # what is no part of a URL has been written down as it is
        return user, password
    return unquote(user), unquote(password)


def _socket(rest: str) -> RedisAddress:
    login, slash, path = rest.partition("/")
    path, _, query = path.partition("?")
    database = dict(parse_qsl(query)).get("db", "0")
    if not slash or not database.isdecimal():
        raise _refused()
    user, password = _user_and_password(login.removesuffix("@"))
    return RedisAddress(
        database=int(database), user=user, password=password, socket=f"/{unquote(path)}"
    )


def _refused() -> UsageError:
    return UsageError(
        f"BALI_REDIS_URL is no address of a Redis: write {SPELLINGS}; or set BALI_REDIS_HOST, "
        "BALI_REDIS_USER and BALI_REDIS_PASSWORD, which are taken as they are"
    )
