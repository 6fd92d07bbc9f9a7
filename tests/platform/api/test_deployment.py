"""The files that run BALI elsewhere, as far as they can be checked where no daemon runs.

Compose files are parsed by compose-spec, manifests validated against Kubernetes' own schemas;
KEDA's resources, for which no package has schemas, against what their documentation requires.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import typer
import yaml
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import AuthenticationError
from typer.core import TyperGroup

from bali.cli.main import app
from bali_platform import __version__
from bali_platform.base.measures import BATCH_BUILD, CHECKPOINT, timed
from bali_platform.base.settings import Settings
from bali_platform.jobs.connection import connect
from bali_platform.jobs.measures import publish
from bali_platform.jobs.queues import KEY_PREFIX, SUBGRAPHS
from bali_platform.services import redis_url
from bali_platform.services.redis_server import answers_redis, find_redis

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "bali.json"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MANIFESTS = [
    document
    for path in sorted(KUBERNETES.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
]
CUSTOMISATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
WORKLOADS = [m for m in MANIFESTS if m["kind"] in ("Deployment", "StatefulSet")]
CONTAINERS = [
    (workload["metadata"]["name"], container)
    for workload in WORKLOADS
    for container in workload["spec"]["template"]["spec"]["containers"]
]
EXTRA_VARIABLES = {"BALI_API_TOKEN"}


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {m["metadata"]["name"]: m for m in MANIFESTS if m["kind"] == kind}


def parse_command(arguments: list[str]) -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    context = typer.Context(command)
    name, found, rest = command.resolve_command(context, list(arguments))
    assert found is not None, f"no command {name}"
    found.make_context(name, rest, parent=context)


def known_variables(names: list[str]) -> bool:
    fields = {f"BALI_{field.upper()}" for field in Settings.model_fields} | EXTRA_VARIABLES
    return {name for name in names if name.startswith("BALI_")} <= fields


def test_compose_file_follows_the_specification() -> None:
    parsed = compose_spec.PyCompose.from_json(json.dumps(COMPOSE))
    assert set(parsed.service_names()) == set(SERVICES)


def test_the_parser_would_notice_a_misspelt_key() -> None:
    wrong = {"services": {"x": {"image": "x", "helthcheck": {}}}}
    with pytest.raises(ValueError, match="helthcheck"):
        compose_spec.PyCompose.from_json(json.dumps(wrong))


@pytest.mark.parametrize("name", SERVICES)
def test_compose_services_are_checked_and_stay_on_loopback(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert known_variables(list(service.get("environment", ())))
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).exists(), source
    for other in service.get("depends_on", ()):
        assert other in SERVICES
    if service.get("image") == "bali":
        parse_command(service["command"])


def test_no_secret_is_written_down() -> None:
    texts = [json.dumps(COMPOSE), *(json.dumps(m) for m in MANIFESTS)]
    for text in texts:
        for value in re.findall(r'"(?:[A-Z_]*(?:PASSWORD|TOKEN))": "([^"]*)"', text):
            assert value.startswith("${"), value
    assert (
        not (KUBERNETES / "secrets.env").exists()
        or "secrets.env" in (KUBERNETES / ".gitignore").read_text()
    )


@pytest.mark.parametrize(
    "manifest", MANIFESTS, ids=lambda m: f"{m['kind']}-{m['metadata']['name']}"
)
def test_manifests_follow_kubernetes_schemas(manifest: dict[str, Any]) -> None:
    if manifest["apiVersion"].startswith("keda.sh/"):
        assert manifest["kind"] in ("ScaledObject", "TriggerAuthentication")
        return
    for version in ("1.33", kubernetes_validate.latest_version()):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_an_overlay_says_what_differs(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine, which renders overlays")
    shutil.copytree(DEPLOY, tmp_path, dirs_exist_ok=True)
    keys = ("neo4j-password", "redis-password", "api-token")
    secrets = tmp_path / "kubernetes" / "secrets.env"
    secrets.write_text("".join(f"{key}=0123456789abcdef\n" for key in keys))
    overlay = tmp_path / "overlays" / "example"
    command = ["kubectl", "kustomize", str(overlay)]
    rendered = [*yaml.safe_load_all(subprocess.check_output(command, text=True))]
    for manifest in rendered:
        test_manifests_follow_kubernetes_schemas(manifest)
    found = {(m["kind"], m["metadata"]["name"]): m for m in rendered}
    stores = [kind for kind, name in found if name in ("neo4j", "redis")]
    assert stores == ["TriggerAuthentication"]
    addresses = found["ConfigMap", "addresses"]["data"]
    assert known_variables(list(addresses))
    Settings(**{name.removeprefix("BALI_").lower(): text for name, text in addresses.items()})
    trigger = found["ScaledObject", "subgraphs"]["spec"]["triggers"][0]["metadata"]
    assert trigger["address"] == f"{addresses['BALI_REDIS_HOST']}:{addresses['BALI_REDIS_PORT']}"
    assert trigger["enableTLS"] == addresses["BALI_REDIS_TLS"]
    assert found["PersistentVolumeClaim", "home"]["spec"]["storageClassName"] == "shared"
    assert found["ScaledObject", "trainer"]["spec"]["maxReplicaCount"] == 2
    trainer = found["Deployment", "trainer"]["spec"]
    resources = trainer["template"]["spec"]["containers"][0]["resources"]
    assert resources["limits"]["nvidia.com/gpu"] == 4


def test_the_schemas_would_notice_a_misspelt_key() -> None:
    wrong = json.loads(json.dumps(named("Deployment")["api"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(wrong, "1.33", strict=True)


def test_workers_are_scaled_on_the_length_of_their_queue() -> None:
    scaled = named("ScaledObject")["subgraphs"]["spec"]
    assert scaled["scaleTargetRef"]["name"] in named("Deployment")
    assert "replicas" not in named("Deployment")["subgraphs"]["spec"]
    assert 0 < scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "redis"
    host, port = trigger["metadata"]["address"].split(":")
    assert int(port) in [p["port"] for p in named("Service")[host]["spec"]["ports"]]
    assert trigger["metadata"]["listName"] == f"{KEY_PREFIX}{SUBGRAPHS}"
    assert int(trigger["metadata"]["listLength"]) > 0
    secret = named("TriggerAuthentication")[trigger["authenticationRef"]["name"]]["spec"]
    assert [s["parameter"] for s in secret["secretTargetRef"]] == ["password"]


@pytest.mark.services
def test_trainers_are_scaled_on_the_jobs_that_wait_or_run(api) -> None:
    scaled = named("ScaledObject")["trainer"]["spec"]
    assert "replicas" not in named("Deployment")[scaled["scaleTargetRef"]["name"]]["spec"]
    (trigger,) = scaled["triggers"]
    assert (trigger["type"], trigger["metadata"]["authMode"]) == ("metrics-api", "bearer")
    server, path = trigger["metadata"]["url"].removeprefix("http://").split("/", 1)
    assert server == f"api.{CUSTOMISATION['namespace']}:8000"
    assert isinstance(api.get(f"/{path}").json()[trigger["metadata"]["valueLocation"]], int)
    secret = named("TriggerAuthentication")[trigger["authenticationRef"]["name"]]["spec"]
    assert [(s["parameter"], s["key"]) for s in secret["secretTargetRef"]] == [
        ("token", "api-token")
    ]


@pytest.mark.parametrize(("workload", "container"), CONTAINERS, ids=lambda v: str(v)[:20])
def test_containers_are_probed_bounded_and_run_real_commands(
    workload: str, container: dict[str, Any]
) -> None:
    assert container["livenessProbe"]
    assert container["resources"]["requests"]["memory"]
    assert container["resources"]["limits"]["memory"]
    assert known_variables([variable["name"] for variable in container.get("env", ())])
    if container["image"] == "bali":
        parse_command(container["args"])
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_every_image_is_pinned_in_one_place() -> None:
    pinned = {image["name"]: image["newTag"] for image in CUSTOMISATION["images"]}
    assert {container["image"] for _, container in CONTAINERS} == set(pinned)
    assert "latest" not in pinned.values()
    assert pinned["bali"] == __version__


def test_pods_are_hardened_and_a_card_is_never_waited_for_by_its_holder() -> None:
    for workload in WORKLOADS:
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        asks_for_cards = "nvidia.com/gpu" in str(pod)
        assert asks_for_cards == (workload["spec"].get("strategy") == {"type": "Recreate"})
        for container in pod["containers"]:
            assert container["startupProbe"]
            security = container["securityContext"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            claims = {
                c["metadata"]["name"] for c in workload["spec"].get("volumeClaimTemplates", ())
            }
            assert mounts == {volume["name"] for volume in pod.get("volumes", ())} | claims


PASSWORDS = ("ab/cd+efgh==ijkl", "pa#ss word$HOME'%41", 'q"uo\\te`s: {}*?&', "a%2Fb@c:d", "пароль")


@pytest.fixture(params=["compose", "kubernetes"])
def redis_command(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "compose":
        return [part.replace("$$", "$") for part in SERVICES["redis"]["command"]]
    (container,) = named("StatefulSet")["redis"]["spec"]["template"]["spec"]["containers"]
    return list(container["command"])


@pytest.fixture
def short_folder() -> Iterator[str]:
    """A folder whose path leaves room for the name of a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@pytest.mark.services
@pytest.mark.timeout(60)
@pytest.mark.parametrize("password", PASSWORDS)
def test_redis_takes_any_password_and_ends_when_told_to(
    redis_command: list[str], password: str, tmp_path: Path, short_folder: str
) -> None:
    program = tmp_path / "redis-server"
    socket = Path(short_folder) / "s"
    program.write_text(
        f"#!/bin/sh\n(cat; echo port 0; echo unixsocket {socket}) > {tmp_path}/conf\n"
        f"exec {find_redis()} {tmp_path}/conf\n"
    )
    program.chmod(0o755)
    script = redis_command[-1].replace("dir /data", f"dir {tmp_path}")
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "REDISCLI_AUTH": password,
        "HOME": "/",
    }
    settings = Settings(redis_url=SecretStr(f"unix://{socket}"), redis_password=SecretStr(password))
    with subprocess.Popen([*redis_command[:-1], script], env=environment, cwd=tmp_path) as server:
        try:
            while not answers_redis(redis_url(settings)):
                assert server.poll() is None
                time.sleep(0.05)
            with pytest.raises(AuthenticationError):
                Redis(unix_socket_path=str(socket)).ping()
            policy = connect(settings).config_get("maxmemory-policy")
            assert policy == {"maxmemory-policy": "noeviction"}
        finally:
            server.terminate()
    assert server.returncode == 0


@pytest.mark.parametrize(("password", "code"), [("ab/cd+efgh==ijkl", 2), ("it's#fine$%41", 0)])
def test_neo4j_says_at_the_start_which_passwords_it_takes(
    password: str, code: int, tmp_path: Path
) -> None:
    (tmp_path / "tini").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "tini").chmod(0o755)
    command = [part.replace("$$", "$") for part in SERVICES["neo4j"]["command"]]
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "NEO4J_AUTH": f"neo4j/{password}",
    }
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == code
    assert ("may hold no slash" in ran.stderr) == bool(code)
    assert password not in ran.stderr


def test_everything_refers_to_something() -> None:
    assert {f"{name}" for name in CUSTOMISATION["resources"]} == {
        path.name for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml"
    }
    labels = {w["metadata"]["name"]: w["spec"]["template"]["metadata"]["labels"] for w in WORKLOADS}
    for workload in WORKLOADS:
        selector = workload["spec"]["selector"]["matchLabels"]
        assert selector.items() <= labels[workload["metadata"]["name"]].items()
    for name, service in named("Service").items():
        assert service["spec"]["selector"].items() <= labels[name].items()
    secrets = {generator["name"] for generator in CUSTOMISATION["secretGenerator"]}
    used = re.findall(r"'secretKeyRef': \{'name': '(\w+)', 'key': '([\w-]+)'", str(MANIFESTS))
    assert {name for name, _ in used} == secrets
    comment = (KUBERNETES / "kustomization.yaml").read_text()
    assert all(f"{key}=" in comment for _, key in used)
    claims = set(re.findall(r"'claimName': '(\w+)'", str(MANIFESTS)))
    assert claims == set(named("PersistentVolumeClaim"))


def test_prometheus_asks_the_api_with_its_token() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())[
        "scrape_configs"
    ]
    host, port = job["static_configs"][0]["targets"][0].split(":")
    assert SERVICES[host]["command"][-1] == port
    secret = Path(job["authorization"]["credentials_file"])
    assert secret.parent == Path("/run/secrets")
    assert secret.name in SERVICES["prometheus"]["secrets"]
    assert COMPOSE["secrets"][secret.name] == {"environment": "BALI_API_TOKEN"}
    assert job.get("metrics_path", "/metrics") == "/metrics"


def test_panels_have_places_of_their_own() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
        assert panel["datasource"]["uid"] == "prometheus"
    source = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    assert yaml.safe_load(source.read_text())["datasources"][0]["uid"] == "prometheus"


@pytest.mark.services
def test_panels_and_alerts_ask_for_metrics_that_exist(api, settings) -> None:
    api.get("/concepts/C0000001")
    with timed(BATCH_BUILD, "first"), timed(CHECKPOINT):
        pass
    publish(connect(settings))
    text = api.get("/metrics").text
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    samples = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line[0] != "#"}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    alerts = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0][
        "rules"
    ]
    for told in [*(target for panel in panels for target in panel["targets"]), *alerts]:
        metrics = set(re.findall(r"\bbali_\w+", told["expr"]))
        assert metrics
        assert metrics <= families | samples, told["expr"]


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    shown = set(re.findall(r"`(BALI_\w+)`", page))
    assert shown >= {f"BALI_{name.upper()}" for name in Settings.model_fields} | EXTRA_VARIABLES
