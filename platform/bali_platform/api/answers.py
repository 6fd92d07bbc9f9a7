"""Answers about the graph: the same for as long as its version is, so kept and tagged by it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bali_platform import __version__

TAG = "bali.tag"
"""Key of the scope under which a route leaves the entity tag of its answer."""

MAX_BYTES = 64 * 2**20
MAX_ANSWER_BYTES = 2**20
OVERHEAD = 1500  # bytes that an answer takes beside its body, roughly


def entity_tag(graph_version: str) -> str:
    """Return the entity tag of everything that this code says about a version of the graph."""
    return f'"{__version__}-{graph_version}"'


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response, and the route that made it."""

    tag: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    route: object

    @property
    def size(self) -> int:
        """Bytes of memory, roughly."""
        return len(self.body) + OVERHEAD


class AnswerCache:
    """Answers of the live graph by address, least recently used out first, within ``max_bytes``.

    Another entity tag empties it, also one that was live before: what was read while the graphs
    changed must not come back. It belongs to the event loop: no thread may touch it.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._tag = ""
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()
        self.bytes = self.hits = self.misses = 0

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._answers.values())

    def get(self, tag: str, address: bytes) -> Answer | None:
        """Return the answer kept for an address under this tag, which is the live graph's."""
        if tag != self._tag:
            self._tag, self.bytes = tag, 0
            self._answers.clear()
        if answer := self._answers.get(address):
            self.hits += 1
            self._answers.move_to_end(address)
        return answer

    def put(self, address: bytes, answer: Answer) -> None:
        """Keep an answer about the live graph, unless it is very large."""
        self.misses += 1
        large = answer.size > MAX_ANSWER_BYTES
        if large or answer.tag != self._tag or address in self._answers:
            return
        self._answers[address] = answer
        self.bytes += answer.size
        while self.bytes > self._max_bytes:
            self.bytes -= self._answers.popitem(last=False)[1].size


class TaggedAnswers:
    """Middleware: answers from the cache, and ``304`` to those who have the answer already.

    ``live_tag`` returns the entity tag of the live graph, None while there is none.
    """

    def __init__(
        self, app: ASGIApp, cache: AnswerCache, live_tag: Callable[[], str | None]
    ) -> None:
        self._app, self._cache, self._live_tag = app, cache, live_tag

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        address = scope["raw_path"] + b"?" + scope["query_string"]
        tag = self._live_tag()
        answer = self._cache.get(tag, address) if tag else None
        if answer is None:
            recorder = _Recorder(scope, send)
            await self._app(scope, receive, recorder)
            if (answer := recorder.answer) is None:
                return
            self._cache.put(address, answer)
        scope["route"] = answer.route
        await _send(answer, Headers(scope=scope).get("if-none-match", ""), send)


class _Recorder:
    """Holds back a successful response with an entity tag; lets any other pass."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            if TAG in self._scope:
                self._headers = message["headers"]
                return
        elif self._headers is not None:
            self._body.append(message.get("body", b""))
            return
        await self._send(message)

    @property
    def answer(self) -> Answer | None:
        if self._headers is None:
            return None
        tag = self._scope[TAG]
        headers = [*self._headers, *_validators(tag)]
        return Answer(tag, headers, b"".join(self._body), self._scope.get("route"))


async def _send(answer: Answer, known: str, send: Send) -> None:
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    if tags & {answer.tag, "*"}:
        status, headers, body = 304, _validators(answer.tag), b""
    else:
        status, headers, body = 200, answer.headers, answer.body
    # A copy, because whoever sends on may add headers.
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


def _validators(tag: str) -> list[tuple[bytes, bytes]]:
    return [(b"etag", tag.encode("latin-1")), (b"cache-control", b"private, no-cache")]
