"""Training jobs through the API: queued, shown, followed, steered."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bali_platform.jobs import Job, JobState, JobStore
from bali_platform.text.corpus import Mention, Sentence, write_corpus

pytestmark = pytest.mark.services


@pytest.fixture
def store(redis_client, settings) -> JobStore:
    return JobStore(redis_client)


@pytest.fixture
def job(store: JobStore, tmp_path: Path) -> Job:
    return store.submit("train", "a-job", {"seed": 1}, {"window": 8}, tmp_path)


def run(store: JobStore, job: Job, **fields: object) -> Job:
    moved = store.transition(job, "started", state=JobState.RUNNING, attempt=1, **fields)
    assert moved
    return moved


def read_events(
    client: httpx.Client, url: str, position: str | None = None
) -> Iterator[tuple[str, str | None, dict]]:
    """Yield (event, id, data) for as long as the server sends."""
    headers = {} if position is None else {"Last-Event-ID": position}
    with client.stream("GET", url, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "event" in fields:
                yield fields["event"], fields.get("id"), json.loads(fields["data"])
                fields = {}


def test_jobs_are_listed_newest_first_in_pages(api, store, tmp_path) -> None:
    ids = [store.submit("train", f"job-{n}", {}, {}, tmp_path).id for n in range(5)]
    first = api.get("/jobs?limit=3").json()
    second = api.get(first["next"]).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert (first["total"], second["next"]) == (5, None)
    store.request_cancel(ids[0])
    assert [job["id"] for job in api.get("/jobs?state=cancelled").json()["jobs"]] == ids[:1]


def test_a_job_is_shown_whole_but_not_where_its_files_lie(api, job, tmp_path) -> None:
    shown = api.get(f"/jobs/{job.id}").json()
    assert shown["config"] == {"seed": 1}
    assert shown["spec"] == {"window": 8}
    assert shown["state"] == "queued"
    assert str(tmp_path) not in json.dumps(shown)


def test_cancel_and_resume(api, store, job) -> None:
    assert api.post(f"/jobs/{job.id}/cancel").json()["state"] == "cancelled"
    again = api.post(f"/jobs/{job.id}/cancel")
    assert again.status_code == 409
    assert again.json()["type"] == "urn:bali:problem:conflict"
    assert api.post(f"/jobs/{job.id}/resume").json()["state"] == "queued"
    assert api.post(f"/jobs/{job.id}/resume").status_code == 409
    run(store, store.get(job.id))
    running = api.post(f"/jobs/{job.id}/cancel").json()
    assert (running["state"], running["cancel_requested"]) == ("running", True)


def test_events_are_sent_in_order_until_the_end(api, store, job) -> None:
    running = run(store, job)
    for step in range(1, 4):
        store.change(job.id, {"step": step}, metrics={"step": step, "loss": 1 / step})
    stream = read_events(api, f"/jobs/{job.id}/events")
    kinds, seen = [], {}
    while "metrics" not in seen or "event" not in seen:
        kind, _, data = next(stream)
        kinds.append(kind)
        seen[kind] = data
    assert kinds[0] == "job"
    assert [row["loss"] for row in seen["metrics"]] == [1, 1 / 2, 1 / 3]
    store.change(job.id, {"step": 4}, metrics={"step": 4, "loss": 0.25})
    store.transition(running, "succeeded", state=JobState.SUCCEEDED)
    rest = list(stream)
    assert rest[-1][0] == "end"
    assert [row["step"] for kind, _, rows in rest if kind == "metrics" for row in rows] == [4]
    assert [data["state"] for kind, _, data in rest if kind == "job"][-1] == "succeeded"
    told = [seen["event"], *(data for kind, _, data in rest if kind == "event")]
    assert [event["type"] for event in told] == [e.type for e in store.events(job.id)]


def test_a_broken_stream_goes_on_where_it_ended(api, store, job) -> None:
    for step in range(1, 6):
        store.change(job.id, metrics={"step": step, "loss": 1.0})
    store.request_cancel(job.id)
    whole = list(read_events(api, f"/jobs/{job.id}/events"))
    positions = [position for _, position, _ in whole if position]
    store.event(job.id, "afterwards")
    rest = list(read_events(api, f"/jobs/{job.id}/events", positions[-1]))
    assert [kind for kind, _, _ in rest] == ["job", "event", "end"]
    assert rest[1][2]["type"] == "afterwards"


@pytest.mark.parametrize("position", ["x", "1-1", "1-1_", "_", "1-1_1-1; FLUSHALL", "9" * 30])
def test_a_position_is_checked(api, job, position) -> None:
    answer = api.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": position})
    assert answer.status_code == 422


def test_the_platform_is_followed(api, store, tmp_path) -> None:
    stream = read_events(api, "/events")
    kind, _, before = next(stream)
    assert kind == "status"
    job = store.submit("train", "followed", {}, {}, tmp_path)
    _, _, after = next(stream)
    assert after["jobs"]["queued"] == before["jobs"]["queued"] + 1
    assert after["recent"][0]["id"] == job.id


def test_metrics_show_jobs_requests_and_services(api, store, job) -> None:
    def metrics() -> dict[str, float]:
        lines = api.get("/metrics").text.splitlines()
        return {k: float(v) for k, v in (x.rsplit(" ", 1) for x in lines if x[0] != "#")}

    before = metrics()
    assert before['bali_jobs{state="queued"}'] == 1
    assert before['bali_service_up{service="redis"}'] == 1
    assert before['bali_queue_depth{queue="gpu"}'] == 0
    for _ in range(3):
        api.get("/concepts/C0000001")
        api.get("/v1/concepts/C0000002")
    name = 'bali_requests_total{method="GET",route="/concepts/{cui}",status="200"}'
    after = metrics()
    assert after[name] - before.get(name, 0) == 6
    run(store, job)
    store.change(job.id, {"step": 7, "metrics": {"loss": 0.5}})
    assert metrics()[f'bali_job_step{{job="{job.id}",name="a-job"}}'] == 7
    assert metrics()[f'bali_job_metric{{job="{job.id}",metric="loss",name="a-job"}}'] == 0.5
    assert after["bali_answers_hits_total"] - before["bali_answers_hits_total"] >= 4
    slow = 'bali_neo4j_seconds_bucket{le="+Inf",statement="concepts"}'
    assert after[slow] >= 1


@pytest.fixture
def corpus(api: httpx.Client, settings) -> str:
    sentence = Sentence("doc", 0, "Aspirin for a heart attack", (Mention(0, 7, "C0000002"),))
    folder = settings.home / "corpora" / "notes"
    write_corpus(
        folder, [sentence] * 8, name="notes", graph_version="v1", details={"withheld": 0.1}
    )
    return folder.name


def test_a_valid_configuration_is_queued(api, store, corpus, settings) -> None:
    data = {"corpus": corpus, "withheld": 0.0}
    request = {"config": "demo", "overrides": {"data": data}, "priority": 3}
    answer = api.post("/jobs", json=request, timeout=120)
    assert answer.status_code == 201, answer.text
    job = store.get(answer.json()["id"])
    assert answer.headers["location"] == f"/jobs/{job.id}"
    assert (job.state, job.priority) == (JobState.QUEUED, 3)
    assert job.spec["graph_version"] == "v1"
    assert job.folder.is_relative_to(settings.home / "jobs")


def test_a_configuration_of_ones_own_is_queued(api, store, corpus) -> None:
    toml = f'name = "own"\n[data]\ncorpus = "{corpus}"\nwithheld = 0.1\n[run]\nmax_steps = 3'
    answer = api.post("/jobs", json={"toml": toml, "seed": 7}, timeout=120)
    assert answer.status_code == 201, answer.text
    config = store.get(answer.json()["id"]).config
    assert (config["name"], config["seed"], config["run"]["max_steps"]) == ("own", 7, 3)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[data", "toml is not TOML"),
        ('name = "x"\n[data]\nbacth_size = 1', "did you mean 'batch_size'"),
        ('name = "x"\n[data]\ncorpus = "/etc"', "data.corpus"),
        ('name = "x"\n[linking]\ncorpus = "../../etc"', "linking.corpus"),
        ('name = "x"\nmodel = 3', "model"),
        ('name = "x"\n[run]\nmax_steps = 1000000000', "run.max_steps"),
    ],
)
def test_a_configuration_of_ones_own_is_checked(api, store, toml, says) -> None:
    answer = api.post("/jobs", json={"toml": toml}, timeout=120)
    assert answer.status_code == 422, answer.text
    assert says in answer.json()["detail"]
    assert store.ids() == []


def test_jobs_are_compared(api, store, tmp_path) -> None:
    ids = [store.submit("train", "x", {"seed": seed}, {}, tmp_path).id for seed in (1, 2)]
    store.change(ids[1], metrics={"step": 4, "loss": 0.5})
    found = api.get("/jobs/comparison", params={"job": ids}).json()
    assert found["settings"] == {"seed": [1, 2]}
    assert found["jobs"][1]["curve"] == [{"step": 4, "loss": 0.5}]
    assert found["jobs"][1]["metrics"] == {"loss": {"last": 0.5, "best": 0.5, "step": 4}}
    assert api.get("/jobs/comparison", params={"job": "feed"}).status_code == 404


def test_the_end_of_a_log_is_shown(api, store, job) -> None:
    assert api.get(f"/jobs/{job.id}/log").json() == {"lines": []}
    job.log.write_text("one\ntwo\n\nthree\n")
    assert api.get(f"/jobs/{job.id}/log?lines=2").json() == {"lines": ["two", "three"]}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"run": {"max_steps": 10**9}}, "max_steps"),
        ({"run": {"epochs": 10**9}}, "epochs"),
        ({"run": {"processes": 100_000}}, "run.processes"),
        ({"data": {"window": 10**9}}, "data.window"),
        ({"data": {"hops": 10**6}}, "data.hops"),
        ({"run": {"max_stepps": 5}}, "max_steps"),
        ({"dataa": {"corpus": "notes"}}, "data"),
        ({"name": {"x": 1}}, "name"),
        ({"data": {"corpus": "/etc"}}, "corpus"),
        ({"data": {"corpus": "../../../../etc"}}, "corpus"),
        ({"data": {"corpus": "~/x"}}, "corpus"),
        ({"data": {"corpus": "a\u0000b"}}, "corpus"),
        ({"data": {"corpus": "x" * 5000}}, "corpus"),
        ({"data": {"corpus": "no-such-corpus"}}, "corpus"),
        ({"data": {"source": "replay", "replay": "/etc/passwd"}}, "replay"),
        ({"model": {"base": "/etc"}}, "base"),
        ({"model": {"base": "../../etc"}}, "base"),
        ({"data": {"batch_size": -1}}, "batch_size"),
        ({"data": {"batch_size": "many"}}, "batch_size"),
        ({"objectives": {"alignment": 5}}, "alignment"),
    ],
    ids=str,
)
def test_an_impossible_configuration_is_refused(api, store, corpus, overrides, says) -> None:
    overrides = {"data": {"corpus": corpus}} | overrides
    answer = api.post("/jobs", json={"config": "demo", "overrides": overrides}, timeout=120)
    assert answer.status_code == 422, answer.text
    assert says in answer.json()["detail"]
    assert store.ids() == []


def test_a_configuration_is_named_not_pointed_at(api, store) -> None:
    for name in ("/etc/passwd", "demo.toml", "../demo", "dem"):
        answer = api.post("/jobs", json={"config": name})
        assert answer.status_code == 422
    assert "did you mean 'demo'" in answer.json()["detail"]
    assert store.ids() == []
