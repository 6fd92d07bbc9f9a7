"""``bali serve``: the REST API and the dashboard."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bali.cli.common import DeviceOption, reporter
from bali.cli.model import MakerOption
from bali_platform.base.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bali_platform.api.backend import Submit
    from bali_platform.api.models import JobRequest
    from bali_platform.base.settings import Settings
    from bali_platform.jobs import Job


MOST = {
    "run": {"max_steps": 10_000_000, "epochs": 1_000, "processes": 64},
    "data": {"batch_size": 65_536, "window": 1_024, "hops": 4, "neighbours": 64},
}
"""How much of something a job may ask for through the API, by section and key."""
PATHS = (("data", "corpus"), ("data", "replay"), ("model", "base"), ("linking", "corpus"))
MAX_PATH_LENGTH = 200


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="8000, or another free one, by default.")
    ] = None,
    device: DeviceOption = "auto",
    model: MakerOption = None,
) -> None:
    """Serve the REST API and the dashboard until stopped."""
    from bali.serving.extension import extension
    from bali_platform import api
    from bali_platform.base.logs import configure
    from bali_platform.base.settings import load_settings

    configure()
    settings = load_settings()
    extensions = [extension(device, model)]
    api.serve(settings, host, port, _submitter(settings), extensions, reporter())


def _submitter(settings: Settings) -> Submit:
    """Return what queues a training job for somebody who is not at this machine."""

    def submit(request: JobRequest) -> Job:
        from bali_platform.jobs import JobStore, connect
        from bali_platform.jobs.app import wake
        from bali_trainers.training.config import Config, new_config
        from bali_trainers.training.submission import pin

        for section in request.overrides:
            _check_word("section", section, set(Config.model_fields) - {"name", "seed"})
        data, where = _written(request)
        if request.seed is not None:
            data["seed"] = request.seed
        for asked in (data, request.overrides):
            _check_bounds(asked, settings.home)
        prepared = pin(new_config(data, where, **request.overrides), settings)
        store = JobStore(connect(settings))
        job = prepared.queue(store, settings.home / "jobs", priority=request.priority)
        wake()
        return job

    return submit


def _written(request: JobRequest) -> tuple[dict[str, Any], str]:
    """Return the configuration that is asked for, and what to call it."""
    from bali_trainers.training.config import shipped_configs
    from bali_trainers.training.toml_files import parse_toml, read_toml

    if request.toml is not None:
        return parse_toml(request.toml, "toml"), "toml"
    _check_word("configuration", request.config, shipped_configs())
    return read_toml(request.config, "training/configs"), request.config


def _check_word(kind: str, word: str, known: Collection[str]) -> None:
    if word not in known:
        raise UsageError(f"no {kind} '{word[:100]}'{did_you_mean(word, known)}")


def _check_bounds(sections: dict[str, Any], home: Path) -> None:
    """Refuse what reaches out of the workspace, or would never end."""
    asked = {name: keys for name, keys in sections.items() if isinstance(keys, dict)}
    for section, key in PATHS:
        value = asked.get(section, {}).get(key)
        if isinstance(value, str) and not _stays_within(home, value):
            raise UsageError(f"{section}.{key}: this is not a name, nor a path within {home}")
    for section, limits in MOST.items():
        for key, most in limits.items():
            value = asked.get(section, {}).get(key)
            if isinstance(value, (int, float)) and value > most:
                raise UsageError(f"{section}.{key}: at most {most:,} through the API")


def _stays_within(home: Path, value: str) -> bool:
    """Whether ``value`` is a path within ``home``, or a name that is no path at all."""
    path = Path(value)
    if len(value) > MAX_PATH_LENGTH or not value.isprintable():
        return False
    is_path = path.is_absolute() or ".." in path.parts or value.startswith("~") or path.exists()
    return not is_path or path.resolve().is_relative_to(home.resolve())
