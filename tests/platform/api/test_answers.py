"""Entity tags, and the answers kept under them."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.api.answers import TAG, Answer, AnswerCache, TaggedAnswers, entity_tag


class Server:
    """An application about one graph, that counts how often it has to work."""

    def __init__(self) -> None:
        self.version: str | None = "one"
        self.worked = 0
        self.cache = AnswerCache()
        app = FastAPI()

        @app.get("/graph/{name}")
        async def about(name: str, request: Request) -> dict[str, str]:
            self.worked += 1
            if name == "unknown":
                request.scope[TAG] = "never sent"
                raise KeyError(name)
            request.scope[TAG] = entity_tag(str(self.version))
            return {"name": name, "version": str(self.version)}

        @app.get("/untagged")
        async def untagged() -> int:
            self.worked += 1
            return self.worked

        app.add_middleware(TaggedAnswers, cache=self.cache, live_tag=self.live_tag)
        self.app = app

    def live_tag(self) -> str | None:
        return entity_tag(self.version) if self.version else None

    def get(self, url: str, known: str | None = None) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                headers = {} if known is None else {"If-None-Match": known}
                return await client.get(url, headers=headers)

        return asyncio.run(send())


def test_an_answer_is_made_once_for_a_version() -> None:
    server = Server()
    first, second = server.get("/graph/heart?a=1"), server.get("/graph/heart?a=1")
    assert first.content == second.content
    assert first.headers == second.headers
    assert server.worked == 1
    assert server.get("/graph/heart?a=2").status_code == 200
    assert server.worked == 2


def test_a_new_version_gets_new_answers() -> None:
    server = Server()
    old = server.get("/graph/heart")
    server.version = "two"
    new = server.get("/graph/heart", known=old.headers["etag"])
    assert new.status_code == 200
    assert new.json()["version"] == "two"
    assert new.headers["etag"] != old.headers["etag"]


def test_an_old_version_that_comes_back_gets_new_answers() -> None:
    server = Server()
    for version in ("one", "two", "one"):
        server.version = version
        server.get("/graph/heart")
    assert server.worked == 3
    assert [answer.tag for answer in server.cache] == [entity_tag("one")]


def test_an_answer_about_a_graph_that_went_away_meanwhile_is_not_kept() -> None:
    cache = AnswerCache()
    cache.get("new", b"heart")
    cache.put(b"heart", Answer("old", [], b"", None))
    assert list(cache) == []


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_who_has_the_answer_is_told_so(form: str) -> None:
    server = Server()
    tag = entity_tag("one")
    for _ in range(2):  # made anew, then kept
        answer = server.get("/graph/heart", known=form.format(tag))
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
    assert server.get("/graph/heart", known='"other"').status_code == 200


def test_failures_and_other_answers_are_not_kept() -> None:
    server = Server()
    assert [server.get("/graph/unknown").status_code for _ in range(2)] == [500, 500]
    assert [server.get("/untagged").json() for _ in range(2)] == [3, 4]
    assert "etag" not in server.get("/untagged").headers


def test_without_a_live_graph_nothing_kept_is_served() -> None:
    server = Server()
    server.get("/graph/heart")
    server.version = None
    server.get("/graph/heart")
    assert server.worked == 2


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3000)), max_size=60))
def test_the_cache_keeps_what_was_used_last_within_its_bytes(puts: list[tuple[int, int]]) -> None:
    cache = AnswerCache(max_bytes=20_000)
    for number, size in puts:
        address = str(number).encode()
        if cache.get("tag", address) is None:
            cache.put(address, Answer("tag", [], bytes(size), None))
        assert cache.bytes <= 20_000
        kept = cache.get("tag", address)
        assert kept is not None
    sizes = [answer.size for answer in cache]
    assert sum(sizes) == cache.bytes


def test_one_answer_cannot_empty_the_cache() -> None:
    cache = AnswerCache(max_bytes=10 * 2**20)
    cache.get("tag", b"small")
    cache.put(b"small", Answer("tag", [], b"", None))
    cache.put(b"huge", Answer("tag", [], bytes(5 * 2**20), None))
    assert cache.get("tag", b"huge") is None
    assert cache.get("tag", b"small") is not None
