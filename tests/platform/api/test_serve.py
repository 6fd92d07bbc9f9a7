"""``bali serve`` as a process: who needs a token, how it is found and stopped."""

import json
import os
import resource
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack

import httpx
import psutil
import pytest

from bali_platform import services as local_services
from bali_platform.services.home import Home
from bali_platform.services.workers import settings_environment

pytestmark = pytest.mark.services
TOKEN = "0123456789abcdef-of-the-test"
PRIVATE = ["/status", "/concepts?q=heart", "/concepts/C0000001", "/jobs", "/metrics", "/events"]
KEPT = "/subgraphs?cui=C0000001"
EVERYWHERE = "0.0.0.0"
PUBLIC = ["/ui/", "/openapi.json", "/"]


def bali(settings, *arguments, **environment) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bali", *arguments]
    variables = {**os.environ, **settings_environment(settings), **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)


def test_status_and_down_know_the_server(services, settings, serve, graph) -> None:
    with serve(settings) as address:
        status = json.loads(bali(settings, "status", "--json").stdout)["api"]
        assert status["running"]
        assert status["url"].endswith(address.rsplit(":", 1)[1])
        with serve(settings) as second:
            both = json.loads(bali(settings, "status", "--json").stdout)["api"]["urls"]
            assert set(both) >= {address, second}
            assert address in bali(settings, "status").stdout
        assert address in json.loads(bali(settings, "status", "--json").stdout)["api"]["urls"]
        with serve(settings) as second:
            local_services.down(settings, ["api"])
            for gone in (address, second):
                with pytest.raises(httpx.ConnectError):
                    httpx.get(f"{gone}/health")


def test_requests_are_known_by_an_id_and_changes_are_written_down(services, settings, serve, graph):
    with serve(settings) as address, httpx.Client(base_url=address) as client:
        drawn = client.get("/health").headers["x-request-id"]
        assert len(drawn) == 16
        for given, known in (("from-a-proxy.7", True), ("not an id", False)):
            answer = client.get("/health", headers={"X-Request-ID": given})
            assert (answer.headers["x-request-id"] == given) == known
        asked = {"query": "MATCH (n) WHERE n.cui = $c DELETE n", "parameters": {"c": "secret"}}
        refused = client.post("/cypher", json=asked, headers={"X-Request-ID": "r-1"})
        assert refused.status_code == 403
        client.post("/cypher", json={"query": "RETURN 1"})
        client.post("/jobs/00000000/cancel")
    log = Home(settings.home).log("audit")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in log.read_text().splitlines()[-3:]]
    assert [line["action"] for line in lines] == ["cypher", "cypher", "cancel job"]
    assert (lines[0]["request"], lines[0]["client"]) == ("r-1", "127.0.0.1")
    assert lines[0]["query"] == asked["query"]
    assert "would write" in lines[0]["outcome"]
    assert lines[1]["outcome"] == "done"
    assert lines[2]["job"] == "00000000"
    assert "secret" not in log.read_text()


def test_beyond_loopback_a_token_is_generated_and_needed(services, settings, serve, graph) -> None:
    with serve(settings, "--host", EVERYWHERE) as address:
        file = settings.home / "api.token"
        token = file.read_text()
        assert len(token) >= 32
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        process = Home(settings.home).process("api").find()
        assert isinstance(process, psutil.Process)
        assert token not in " ".join(process.cmdline())
        check_token(address, token)
    with serve(settings, "--host", EVERYWHERE) as address:
        check_token(address, token)


def test_a_given_token_counts_on_loopback_too(services, settings, serve, graph) -> None:
    with serve(settings, BALI_API_TOKEN=TOKEN) as address:
        check_token(address, TOKEN)


def check_token(address: str, token: str) -> None:
    with httpx.Client(base_url=address) as client:
        for url in PUBLIC:
            assert client.get(url, follow_redirects=True).status_code == 200
        assert client.get("/health").status_code in (200, 503)
        right = {"Authorization": f"Bearer {token}"}
        assert client.get("/status", headers=right).status_code == 200
        tag = client.get(KEPT, headers=right).headers["etag"]
        for url in [*PRIVATE, KEPT]:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"If-None-Match": tag}):
                answer = client.get(url, headers=headers)
                assert answer.status_code == 401
                assert token not in answer.text
        assert client.post("/jobs", json={"config": "demo"}).status_code == 401


def test_many_idle_strangers_keep_nobody_out_who_has_the_token(services, settings, serve) -> None:
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (5000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    right = {"Authorization": f"Bearer {TOKEN}"}
    with (
        serve(settings, BALI_API_TOKEN=TOKEN) as address,
        httpx.Client(base_url=address, headers=right) as known,
        ExitStack() as strangers,
    ):
        assert known.get("/jobs").status_code == 200
        place = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
        (before,) = known._transport._pool.connections
        for number in range(2000):
            stranger = strangers.enter_context(socket.create_connection(place, timeout=30))
            if number % 2:
                stranger.sendall(b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(20):
            assert known.get("/jobs").status_code == 200
        assert known._transport._pool.connections == [before]
        assert httpx.get(f"{address}/jobs", headers=right).status_code == 200


def test_a_short_token_is_refused(services, settings) -> None:
    result = bali(settings, "serve", BALI_API_TOKEN="short")
    assert result.returncode == 2
    assert "BALI_API_TOKEN" in result.stderr
    assert "short" not in result.stderr


def test_a_taken_port_is_one_line(services, settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = bali(settings, "serve", "--port", str(taken.getsockname()[1]))
    assert result.returncode == 1
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_services_it_says_so_and_recovers(own_settings, serve) -> None:
    with serve(own_settings) as address, httpx.Client(base_url=address, timeout=60) as client:
        health = client.get("/health")
        assert health.status_code == 503
        assert client.get("/health/live").status_code == 204
        assert health.json() == {"status": "degraded", "neo4j": False, "redis": False}
        for url in ("/concepts?q=heart", "/jobs"):
            answer = client.get(url)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert "bali up" in answer.json()["detail"]
        assert client.get("/metrics").status_code == 200
        assert client.get("/status").json()["redis"] is False
        local_services.up(own_settings)
        assert client.get("/jobs").json() == {"jobs": [], "total": 0, "next": None}
        assert "bali load" in client.get("/concepts?q=heart").json()["detail"]


def test_workers_are_seen(services, settings, serve, graph) -> None:
    command = [sys.executable, "-m", "bali", "worker", "--queues", "subgraphs"]
    variables = {**os.environ, **settings_environment(settings)}
    with (
        serve(settings) as address,
        subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL) as worker,
    ):
        try:
            deadline = time.monotonic() + 120
            while not (seen := httpx.get(f"{address}/status").json()["workers"]):
                assert time.monotonic() < deadline
                time.sleep(0.5)
            assert seen[0]["queues"] == ["subgraphs"]
            metrics = httpx.get(f"{address}/metrics").text
            assert f'worker="{seen[0]["name"]}"' in metrics
        finally:
            worker.terminate()
