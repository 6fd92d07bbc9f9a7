"""Who may ask what, tried on the smallest application that can be guarded."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request

from bali_platform.api import problems
from bali_platform.api.guard import MAX_BODY_BYTES, MAX_QUERY_BYTES, Access, Guard

TOKEN = "a-token-of-some-length"


def guarded(access: Access) -> FastAPI:
    app = FastAPI()
    app.state.changed = 0
    problems.install(app)

    @app.get("/private")
    @app.get("/open/page")
    async def read() -> str:
        return "read"

    @app.post("/private")
    async def change(request: Request) -> int:
        size = len(await request.body())
        app.state.changed += 1
        return size

    app.add_middleware(Guard, access=access)
    return app


def ask(
    app: FastAPI, method: str, url: str, base: str = "http://localhost:8000", **options: object
) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, url, **options)

    return asyncio.run(send())


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000", "[::1]", "LOCALHOST:1"]
)
def test_own_names_are_answered(host: str) -> None:
    answer = ask(guarded(Access()), "GET", "/private", headers={"Host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "",
     "evil.example:localhost", "[::2]:8000", "127.0.0.2"],
)  # fmt: skip
def test_rebound_names_are_refused(host: str) -> None:
    answer = ask(guarded(Access()), "GET", "/private", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:bali:problem:wrong-host"


def test_a_server_for_others_answers_to_any_name() -> None:
    access = Access(TOKEN, loopback=False)
    headers = {"Host": "graph.hospital.example", "Authorization": f"Bearer {TOKEN}"}
    assert ask(guarded(access), "GET", "/private", headers=headers).status_code == 200


def test_pages_of_other_sites_read_nothing_private() -> None:
    app = guarded(Access(public=("/open/",)))
    for site, status in (("cross-site", 403), ("same-origin", 200), ("none", 200)):
        headers = {"Sec-Fetch-Site": site}
        assert ask(app, "GET", "/private", headers=headers).status_code == status
        assert ask(app, "GET", "/open/page", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_change_nothing(headers: dict[str, str]) -> None:
    app = guarded(Access())
    answer = ask(app, "POST", "/private", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:bali:problem:foreign-origin"
    assert app.state.changed == 0


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://localhost:8000"}, {"Sec-Fetch-Site": "same-origin"}],
)
def test_own_pages_and_programs_may_change(headers: dict[str, str]) -> None:
    app = guarded(Access())
    assert ask(app, "POST", "/private", headers=headers).status_code == 200
    assert app.state.changed == 1


@pytest.mark.parametrize(
    "authorisation",
    [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
     TOKEN, "Bearer \u00e9"],
)  # fmt: skip
def test_without_the_token_nothing_private_is_answered(authorisation: str | None) -> None:
    app = guarded(Access(TOKEN, loopback=False, public=("/open",)))
    headers = {} if authorisation is None else {"Authorization": authorisation.encode("latin-1")}
    for method in ("GET", "POST"):
        answer = ask(app, method, "/private", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert TOKEN not in answer.text
    assert app.state.changed == 0
    assert ask(app, "GET", "/open/page", headers=headers).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_token_all_is_answered(scheme: str) -> None:
    app = guarded(Access(TOKEN, loopback=False))
    headers = {"Authorization": f"{scheme} {TOKEN}"}
    assert ask(app, "POST", "/private", headers=headers).status_code == 200


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(Access(TOKEN))


def test_a_body_may_be_so_large_and_no_larger() -> None:
    app = guarded(Access())
    assert ask(app, "POST", "/private", content=b"x" * MAX_BODY_BYTES).json() == MAX_BODY_BYTES
    refused = ask(app, "POST", "/private", content=b"x" * (MAX_BODY_BYTES + 1))
    assert refused.status_code == 413
    assert app.state.changed == 1


def test_a_body_of_undeclared_size_is_counted_as_it_arrives() -> None:
    async def pieces():
        for _ in range(40):
            yield b"x" * 2**16

    app = guarded(Access())
    refused = ask(app, "POST", "/private", content=pieces())
    assert refused.status_code == 413
    assert refused.headers["content-type"] == problems.MEDIA_TYPE
    assert app.state.changed == 0


def test_a_query_string_has_a_bound() -> None:
    refused = ask(guarded(Access()), "GET", "/private?" + "q" * (MAX_QUERY_BYTES + 1))
    assert refused.status_code == 413


@pytest.mark.parametrize("url", ["/private", "/nothing"])
def test_every_answer_tells_browsers_to_be_strict(url: str) -> None:
    headers = ask(guarded(Access()), "GET", url).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
