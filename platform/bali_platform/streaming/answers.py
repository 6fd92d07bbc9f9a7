"""The worker's side of a batch stream, and the keys that both sides use.

For every rank of a job Redis holds two keys. ``wanted`` is a hash of the batches that the
consumer waits for (value: how often a worker has begun them); ``stream`` holds the answers. Beside
them, whoever builds a batch keeps a key alive that says so, and nobody else begins it meanwhile.
An answer that nobody waits for is dropped by the server, in the same step that would append it:
so a stream never holds more than the consumer's window, whoever is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bali_platform.base.errors import BaliError
from bali_platform.base.repeating import repeated
from bali_platform.streaming.keys import BatchKey

if TYPE_CHECKING:
    from redis import Redis

TIME_TO_LIVE = 900  # seconds that a stream outlives its last use
MAX_BEGUN = 5  # a batch begun so often and never finished kills whoever builds it
BUILDER_LIVES_S = 4.0  # without a sign of life; less than a consumer waits before it asks again

_BEGIN = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) then return 0 end
return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
"""
_ANSWER = """
redis.call('DEL', KEYS[3])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'key', ARGV[1], ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
"""


def stream_keys(job_id: str, rank: int) -> tuple[str, str]:
    """Return the Redis keys ``(wanted, stream)`` of one rank of a job."""
    prefix = f"bali:batches:{{{job_id}}}:{rank}"
    return f"{prefix}:wanted", f"{prefix}:stream"


def answer(
    redis: Redis,
    job_id: str,
    key: BatchKey,
    build: Callable[[], bytes],
    *,
    outages: tuple[type[Exception], ...] = (),
) -> bool:
    """Build a batch if it is wanted and nobody else builds it, and publish it; whether it was used.

    What goes wrong is told to the consumer instead of raised: after an exception in ``outages``
    it asks again later, after any other the job fails with the message. A batch that has been
    begun five times and never finished is given up too, because it kills its workers.
    """
    begun = _begin(redis, job_id, key)
    if not begun:
        return False
    if begun > MAX_BEGUN:
        message = f"begun {MAX_BEGUN} times and never finished: building it kills the worker"
        return _append(redis, job_id, key, "fatal", message)
    try:
        with _alive(redis, job_id, key):
            payload = build()
    except outages as error:
        return refuse(redis, job_id, key, _one_line(error))
    except Exception as error:
        return _append(redis, job_id, key, "fatal", _one_line(error))
    return publish(redis, job_id, key, payload)


def publish(redis: Redis, job_id: str, key: BatchKey, payload: bytes) -> bool:
    """Append a batch to its stream; False when nobody waits for it, or no longer."""
    return _append(redis, job_id, key, "payload", payload)


def refuse(redis: Redis, job_id: str, key: BatchKey, message: str) -> bool:
    """Tell the consumer why a batch cannot be built *now*; it asks again later."""
    return _append(redis, job_id, key, "refused", message)


def _begin(redis: Redis, job_id: str, key: BatchKey) -> int:
    keys = [stream_keys(job_id, key.rank)[0], _building(job_id, key)]
    return int(_run(redis, _BEGIN, keys, [_field(key), int(BUILDER_LIVES_S * 1000)]))


@contextmanager
def _alive(redis: Redis, job_id: str, key: BatchKey) -> Iterator[None]:
    """Show for as long as it takes that somebody builds a batch."""
    from redis.exceptions import RedisError

    def show() -> None:
        with suppress(RedisError):
            redis.pexpire(_building(job_id, key), int(BUILDER_LIVES_S * 1000))

    with repeated(show, BUILDER_LIVES_S / 4, "building"):
        yield


def _append(redis: Redis, job_id: str, key: BatchKey, kind: str, value: bytes | str) -> bool:
    keys = [*stream_keys(job_id, key.rank), _building(job_id, key)]
    return bool(_run(redis, _ANSWER, keys, [_field(key), kind, value, TIME_TO_LIVE]))


def _run(redis: Redis, script: str, keys: Any, arguments: list[Any]) -> Any:
    return redis.register_script(script)(keys=keys, args=arguments)


def _building(job_id: str, key: BatchKey) -> str:
    return f"{stream_keys(job_id, key.rank)[0]}:{_field(key)}"


def _field(key: BatchKey) -> str:
    return f"{key.epoch}:{key.index}"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, BaliError) else f"{type(error).__name__}: {text}"
