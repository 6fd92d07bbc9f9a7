"""Addresses of a Redis: any password, in any spelling, the same server for both clients."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection
from pydantic import SecretStr
from redis import Redis

from bali_platform.base.errors import UsageError
from bali_platform.base.settings import Settings
from bali_platform.services.redis_address import RedisAddress, external_redis, parse_redis_url

PASSWORDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1)
URL_CHARACTERS = "/#@%$?:& +='\"\\"


def read_by_clients(address: RedisAddress) -> list[tuple[object, ...]]:
    """Return where redis-py and kombu would go, and with which password."""
    pool = Redis.from_url(address.url).connection_pool.connection_kwargs
    broker = address.broker
    kombu = Connection(broker["broker_url"])
    return [
        (pool.get("host"), pool.get("port"), int(pool.get("db") or 0), pool.get("password")),
        (kombu.hostname, kombu.port, int(kombu.virtual_host or 0), kombu.password),
    ]


@given(PASSWORDS, st.sampled_from(["", "me"]))
def test_a_password_of_its_own_is_taken_as_it_is(password: str, user: str) -> None:
    settings = Settings(redis_host="r.example", redis_user=user, redis_password=SecretStr(password))
    address = external_redis(settings)
    assert address
    for found in read_by_clients(address):
        assert found == ("r.example", 6379, 0, password)
    assert password == address.password
    assert address.public_url == "redis://r.example:6379/0"


@given(PASSWORDS)
def test_an_encoded_password_is_decoded(password: str) -> None:
    address = parse_redis_url(f"redis://:{quote(password, safe='')}@r.example:7000/3")
    assert read_by_clients(address) == [("r.example", 7000, 3, password)] * 2


@pytest.mark.parametrize("character", URL_CHARACTERS)
def test_a_password_written_down_as_it_is_works(character: str) -> None:
    for password in (f"ab{character}xy", f"12{character}z4", f"{character}{character}"):
        address = parse_redis_url(f"redis://:{password}@127.0.0.1:6379/0")
        assert read_by_clients(address) == [("127.0.0.1", 6379, 0, password)] * 2


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("redis://:pa#ss word$HOME'%41@h:1/2", "redis://h:1/2"),
        ("redis://u:p@[::1]:7/1", "redis://[::1]:7/1"),
        ("redis://h", "redis://h:6379/0"),
        ("redis://:1", "redis://localhost:1/0"),
        ("rediss://h?ssl_ca_certs=/a@b.pem", "rediss://h:6379/0?ssl_ca_certs=%2Fa%40b.pem"),
        ("unix://:pw@/run/redis.sock?db=3", "unix:///run/redis.sock?db=3"),
    ],
)
def test_spellings(url: str, public: str) -> None:
    assert parse_redis_url(url).public_url == public


def test_parts_win_over_the_url_and_both_clients_check_certificates() -> None:
    settings = Settings(
        redis_url=SecretStr("redis://:old@h:6379/0"),
        redis_password=SecretStr("new"),
        redis_ca="/etc/ca.pem",
    )
    address = external_redis(settings)
    assert address
    assert (address.password, address.tls) == ("new", True)
    checks = address.broker["broker_use_ssl"]
    assert checks["ssl_cert_reqs"] == "required"
    assert checks["ssl_check_hostname"] is True
    assert checks["ssl_ca_certs"] == "/etc/ca.pem"
    pool = Redis.from_url(address.url).connection_pool
    assert pool.connection_kwargs["ssl_ca_certs"] == "/etc/ca.pem"
    assert pool.connection_kwargs.get("ssl_cert_reqs", "required") == "required"


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://h", "redis://h:port/0", "redis://:s@h:x"]
)
def test_what_is_no_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(UsageError, match="BALI_REDIS_URL is no address") as refused:
        parse_redis_url(url)
    assert url not in str(refused.value)
