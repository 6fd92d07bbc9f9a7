"""Up, down and status tell the truth and repair, whatever was killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import neo4j
import psutil
import pytest
import redis
from pydantic import SecretStr

from bali_platform.base.errors import BaliError
from bali_platform.base.files import write_atomically
from bali_platform.base.settings import Settings
from bali_platform.services import Neo4jLogin, down, home, neo4j_login, redis_url, status, up
from bali_platform.services.home import Home
from bali_platform.services.logs import log_names, tail
from bali_platform.services.process import holder_of

pytestmark = pytest.mark.services


@pytest.fixture
def redis_only(own_settings: Settings, services) -> Settings:
    """A home of its own whose Neo4j is the session's: starts in no time."""
    external = {
        "neo4j_uri": services.neo4j_uri,
        "neo4j_password": SecretStr(services.neo4j_password),
    }
    return own_settings.model_copy(update=external)


def connected(where: Neo4jLogin) -> neo4j.Driver:
    auth = (where.neo4j_user, where.neo4j_password)
    return neo4j.GraphDatabase.driver(where.neo4j_uri, auth=auth)


def pids(settings: Settings, *names: str) -> list[int | None]:
    return [Home(settings.home).process(name).pid for name in names]


def kill(settings: Settings, name: str) -> None:
    process = Home(settings.home).process(name).find()
    assert process is not None
    process.kill()
    process.wait()


def test_killed_servers_are_noticed_and_repaired_without_loss(own_settings: Settings) -> None:
    up(own_settings)
    with connected(neo4j_login(own_settings)) as driver:
        driver.execute_query("CREATE (:Kept {value: 1})")
    with redis.Redis.from_url(redis_url(own_settings)) as client:
        client.set("kept", "1")
        client.waitaof(1, 0, 5000)

    kill(own_settings, "neo4j")
    kill(own_settings, "redis")
    found = status(own_settings)
    assert (found.neo4j.running, found.redis.running, found.complete) == (False, False, False)
    for address in (neo4j_login, redis_url):
        with pytest.raises(BaliError, match="run `bali up`"):
            address(own_settings)

    assert up(own_settings).complete
    with connected(neo4j_login(own_settings)) as driver:
        records = driver.execute_query("MATCH (k:Kept) RETURN k.value AS value").records
    assert [record["value"] for record in records] == [1]
    with redis.Redis.from_url(redis_url(own_settings)) as client:
        assert client.get("kept") == b"1"


def test_a_second_up_changes_nothing(services, settings: Settings) -> None:
    before = pids(settings, "neo4j", "redis")
    assert None not in before
    assert up(settings).complete
    assert pids(settings, "neo4j", "redis") == before
    assert (neo4j_login(settings), redis_url(settings)) == (services.neo4j, services.redis_url)


def test_two_homes_side_by_side(services, own_settings: Settings) -> None:
    own = up(own_settings)
    other = neo4j_login(own_settings)
    assert {other.neo4j_uri, redis_url(own_settings), other.neo4j_browser}.isdisjoint(
        {services.neo4j_uri, services.redis_url, services.neo4j_browser}
    )
    assert other.neo4j_password != services.neo4j_password
    assert own.complete
    assert set(down(own_settings)) == {"neo4j", "redis"}
    with connected(services.neo4j) as driver:
        driver.verify_connectivity()
    assert not status(own_settings).neo4j.running


def test_servers_listen_on_loopback_only(services, settings: Settings) -> None:
    for name in ("neo4j", "redis"):
        process = Home(settings.home).process(name).find()
        assert process is not None
        listening = [c for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening
        assert {c.laddr.ip for c in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_passwords_are_private(services, settings: Settings) -> None:
    home = Home(settings.home)
    found = status(settings)
    shown = json.dumps(found.as_dict(), default=str) + repr(services.neo4j)
    for name in ("neo4j", "redis"):
        password = home.password(name)
        process = home.process(name).find()
        assert process is not None
        assert home.password_file(name).stat().st_mode & 0o777 == 0o600
        shown += " ".join(process.cmdline()) + home.log(name).read_text(encoding="utf-8")
        assert password not in shown
    assert services.redis_url not in shown
    assert settings.home.stat().st_mode & 0o077 == 0


def test_a_wrong_password_is_refused(services) -> None:
    wrong = neo4j.GraphDatabase.driver(services.neo4j_uri, auth=("neo4j", "wrong"))
    with wrong as driver, pytest.raises(neo4j.exceptions.AuthError):
        driver.verify_connectivity()
    address = services.redis_url.partition("@")[2]
    anonymous = redis.Redis.from_url(f"redis://{address}")
    with anonymous as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


def test_the_browser_is_served_with_our_style(services, settings: Settings) -> None:
    assert services.neo4j_browser is not None
    with urlopen(f"{services.neo4j_browser}bali/style.grass") as answer:
        assert b"node" in answer.read()


def test_a_taken_port_is_passed_over(redis_only: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        taken = occupant.getsockname()[1]
        ports = json.dumps({"redis": taken})
        write_atomically(redis_only.home / "run" / "ports.json", ports)
        found = up(redis_only)
        assert found.redis.running
        assert f":{taken}/" not in found.redis.url
    assert status(redis_only).redis.url == found.redis.url


def test_two_homes_that_start_at_once_both_come_up(tmp_path: Path, settings: Settings) -> None:
    homes = [settings.model_copy(update={"home": tmp_path / name}) for name in ("a", "b")]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(up, homes))
    assert all(each.complete for each in found)
    assert len({each.neo4j.uri for each in found} | {each.neo4j.browser for each in found}) == 4
    for each in homes:
        down(each)


def test_ports_are_kept_from_one_up_to_the_next(redis_only: Settings) -> None:
    first = up(redis_only).redis.url
    assert down(redis_only) == ["redis"]
    assert up(redis_only).redis.url == first


def test_a_stranger_with_our_old_pid_is_left_alone(redis_only: Settings) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        record = Home(redis_only.home).process("redis").record
        write_atomically(record, json.dumps({"pid": stranger.pid, "started": "1"}))
        assert not status(redis_only).redis.running
        assert down(redis_only) == []
        write_atomically(record, json.dumps({"pid": stranger.pid, "started": "1"}))
        assert up(redis_only).redis.running
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("ports_lost", [False, True])
def test_a_redis_that_no_record_names_is_found_again(
    redis_only: Settings, ports_lost: bool
) -> None:
    first = up(redis_only)
    home = Home(redis_only.home)
    pid = home.process("redis").pid
    home.process("redis").record.unlink()
    up(redis_only)
    assert home.process("redis").pid == pid
    home.process("redis").record.unlink()
    if ports_lost:
        write_atomically(redis_only.home / "run" / "ports.json", "{}")
    assert up(redis_only).redis == first.redis
    assert home.process("redis").pid == pid
    assert holder_of(redis_only.home / "redis" / "lock") == pid


def test_a_frozen_redis_is_not_called_running(redis_only: Settings) -> None:
    up(redis_only)
    process = Home(redis_only.home).process("redis").find()
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    assert not status(redis_only).redis.running
    process.send_signal(signal.SIGCONT)
    assert up(redis_only).redis.running
    assert pids(redis_only, "redis") == [process.pid]


def test_external_servers_are_used_and_not_started(own_settings: Settings, services) -> None:
    external = own_settings.model_copy(
        update={
            "neo4j_uri": services.neo4j_uri,
            "neo4j_password": SecretStr(services.neo4j_password),
            "redis_url": SecretStr(services.redis_url),
        }
    )
    found = up(external)
    assert found.complete
    assert found.redis.password_file is None
    assert services.redis_url not in str(found)
    assert neo4j_login(external).neo4j_uri == services.neo4j_uri
    assert redis_url(external) == services.redis_url
    assert down(external) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [("neo4j_uri", "bolt://127.0.0.1:9"), ("redis_url", SecretStr("redis://:pw@127.0.0.1:9/0"))],
)
def test_an_external_server_that_does_not_answer_is_one_clear_line(
    redis_only: Settings, setting: str, value: object
) -> None:
    with pytest.raises(BaliError, match=r"no answer from (bolt|redis)://127\.0\.0\.1:9") as failure:
        up(redis_only.model_copy(update={setting: value}))
    assert "pw" not in str(failure.value)


def test_a_home_that_cannot_be_written_is_one_clear_line(
    own_settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(BaliError, match="cannot be written: Not a directory"):
        up(own_settings.model_copy(update={"home": tmp_path / "file" / "home"}))


def test_redis_that_cannot_start_says_why(redis_only: Settings) -> None:
    folder = redis_only.home / "redis" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(BaliError, match=r"Redis does not start: .*AOF") as failure:
        up(redis_only)
    assert "\n" not in str(failure.value)


@pytest.fixture
def with_workers(redis_only: Settings) -> Iterator[Settings]:
    yield redis_only
    down(redis_only)


def test_workers_are_started_noticed_and_repaired(with_workers: Settings) -> None:
    assert up(with_workers, workers=True).workers == {"subgraphs": True, "gpu": True}
    first = pids(with_workers, "worker-subgraphs", "worker-gpu")
    kill(with_workers, "worker-subgraphs")
    assert status(with_workers).workers == {"subgraphs": False, "gpu": True}

    assert up(with_workers).workers == {"subgraphs": True, "gpu": True}
    second = pids(with_workers, "worker-subgraphs", "worker-gpu")
    assert (second[0] != first[0], second[1]) == (True, first[1])

    assert down(with_workers) == ["worker-gpu", "worker-subgraphs", "redis"]
    assert status(with_workers).workers == {}


def test_logs_are_named_and_followed(redis_only: Settings) -> None:
    up(redis_only)
    assert log_names(redis_only) == ["redis"]
    lines = list(tail(redis_only, ["redis"], lines=3))
    assert len(lines) == 3
    assert "Ready to accept connections" in " ".join(lines)

    following = tail(redis_only, ["redis"], lines=1, follow=True)
    assert next(following) == lines[-1]
    with Home(redis_only.home).log("redis").open("a", encoding="utf-8") as file:
        file.write("one more line\n")
    assert next(following) == "one more line"
    following.close()


def test_an_unknown_log_is_named_with_the_nearest(redis_only: Settings) -> None:
    up(redis_only)
    with pytest.raises(BaliError, match=r"no log 'reddis' \(did you mean 'redis'\?\)"):
        list(tail(redis_only, ["reddis"]))


def bali(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "BALI_HOME": str(settings.home),
        "BALI_CACHE": str(settings.cache),
        "BALI_NEO4J_MEMORY_MB": "256",
    }
    command = [sys.executable, "-m", "bali", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_the_commands_say_what_the_library_knows(services, settings: Settings) -> None:
    answer = bali(settings, "status", "--json")
    assert answer.returncode == 0
    found = json.loads(answer.stdout)
    assert found == json.loads(json.dumps(status(settings).as_dict(), default=str))
    for part in ("neo4j", "redis", "api", "graph"):
        assert isinstance(found[part]["running"], bool)
    assert Path(found["neo4j"]["password_file"]).read_text() == services.neo4j_password
    assert bali(settings, "browser", "--print").stdout.strip() == services.neo4j_browser
    assert services.neo4j_uri in bali(settings, "status").stdout
    assert "Started." in bali(settings, "logs", "neo4j").stdout


def test_commands_on_a_home_where_nothing_runs(own_settings: Settings) -> None:
    assert json.loads(bali(own_settings, "status", "--json").stdout)["neo4j"]["running"] is False
    assert bali(own_settings, "down").stdout.strip() == "nothing was running"
    refused = bali(own_settings, "browser")
    assert refused.returncode == 1
    assert "run `bali up`" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.services
def test_a_port_of_redis_that_is_snatched_is_given_up(
    own_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = home.free_port
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        snatched = [stranger.getsockname()[1]]
        monkeypatch.setattr(
            home, "free_port", lambda *wanted: snatched.pop() if snatched else free(*wanted)
        )
        up(own_settings)
        assert not snatched
    with redis.Redis.from_url(redis_url(own_settings)) as client:
        assert client.ping()


def test_the_reader_logs_in_where_nothing_is_written() -> None:
    words = {"neo4j_password": "all", "neo4j_reader": "r", "neo4j_reader_password": "s"}
    settings = Settings(neo4j_uri="bolt://graph:7687", **words)
    reader, writer = neo4j_login(settings, reads_only=True), neo4j_login(settings)
    assert (reader.neo4j_user, reader.neo4j_password) == ("r", "s")
    assert (writer.neo4j_user, writer.neo4j_password) == ("neo4j", "all")
