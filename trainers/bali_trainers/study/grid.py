"""From a study to the models that it compares, and the configuration of each of their runs."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from bali_platform.base.errors import UsageError, did_you_mean
from bali_trainers.objectives.config import ObjectivesConfig
from bali_trainers.study.config import Choices, StudyConfig
from bali_trainers.training.config import ENCODER_OPTIONS, Config, parse_config

UNTOUCHED = "untouched"
"""What the model is called that all runs start from."""

_KEYS = {
    "neighbours": "data.neighbours",
    "hops": "data.hops",
    "relations": "graph_encoder.relations",
    "graph": "data.graph",
    "links": "data.links",
}


Role = Literal["untouched", "untrained", "main", "variant", "named"]


@dataclass(frozen=True)
class Model:
    """Something to be compared.

    Attributes:
        name: What the report calls it.
        role: ``"untouched"`` and ``"untrained"`` ones are taken as they are; a ``"variant"`` has
            one value of the grid, or more, that the ``"main"`` model does not have.
        source: The model to take as it is; None for one to be trained.
        choices: What training it chooses.
        against: For a control, what it must not be better than.
    """

    name: str
    role: Role
    source: str | None = None
    choices: tuple[tuple[str, Any], ...] = ()
    against: str | None = None

    @property
    def spoils_links_alone(self) -> bool:
        """Whether it learns wrong links of mentions, but the right edges."""
        chosen = dict(self.choices)
        return chosen.get("links") == "shuffled" and chosen.get("graph", "real") == "real"


def expand(study: StudyConfig) -> list[Model]:
    """Return the models of a study: those taken as they are, the main one, and all others.

    Every configuration of every run is checked on the way.
    """
    first = {axis: values[0] for axis, values in study.grid.items()}
    trained: list[tuple[str, Role, Choices]] = [(study.main, "main", first)]
    trained += [(name, "variant", first | choices) for name, choices in _variants(study).items()]
    trained += [(name, "named", first | choices) for name, choices in study.models.items()]
    base = training_config(study, study.main, first, study.seeds[0]).model.base
    models = [Model(UNTOUCHED, "untouched", base)]
    models += [Model(name, "untrained", name) for name in study.untrained]
    for name, role, choices in trained:
        training_config(study, name, choices, study.seeds[0])
        against = study.controls.get(name)
        models.append(Model(name, role, None, tuple(choices.items()), against))
    _check_names(study, [model.name for model in models])
    return models


def training_config(study: StudyConfig, name: str, choices: Choices, seed: int) -> Config:
    """Return the configuration of one run of a model."""
    where = f"study {study.name}, model '{name}'"
    data = deepcopy(study.training) | {"seed": seed, "name": _slug(f"{study.name}-{name}-{seed}")}
    rest = dict(choices)
    if "objectives" in rest:
        data["objectives"] = _as_data(study.objectives[rest.pop("objectives")])
    if "encoder" in rest:
        data["graph_encoder"] = _encoder(data.get("graph_encoder", {}), rest.pop("encoder"))
    temperature = rest.pop("temperature", None)
    for axis, value in rest.items():
        _put(data, _KEYS.get(axis, axis), value)
    config = parse_config(data, where)
    if temperature is None:
        return config
    objectives = _as_data(config.objectives)
    for objective in objectives.values():
        if "temperature" in objective:
            objective["temperature"] = temperature
    return parse_config(data | {"objectives": objectives}, where)


def _variants(study: StudyConfig) -> dict[str, Choices]:
    """Return by name what the grid chooses otherwise than the main model."""
    if study.combine == "one":
        return {
            f"{axis} {_word(value)}": {axis: value}
            for axis, values in study.grid.items()
            for value in values[1:]
        }
    combinations = [
        dict(zip(study.grid, values, strict=True)) for values in product(*study.grid.values())
    ]
    different = (
        {axis: value for axis, value in choices.items() if value != study.grid[axis][0]}
        for choices in combinations[1:]
    )
    return {
        ", ".join(f"{axis} {_word(value)}" for axis, value in choices.items()): choices
        for choices in different
    }


def _encoder(options: dict[str, Any], kind: str) -> dict[str, Any]:
    """Exchange the kind of graph encoder; options that the new one does not have go."""
    kept = ENCODER_OPTIONS.get(kind, set())
    return {"kind": kind} | {key: value for key, value in options.items() if key in kept}


def _as_data(objectives: ObjectivesConfig) -> dict[str, Any]:
    return objectives.model_dump(exclude_none=True)


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        data = data.setdefault(section, {})
    data[last] = value


def _check_names(study: StudyConfig, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"study {study.name}: two models are called '{name}'")
    for control, against in study.controls.items():
        for name in (control, against):
            if name not in names:
                raise UsageError(
                    f"study {study.name}: [controls] names no model '{name}'"
                    f"{did_you_mean(name, names)}: they are {', '.join(names)}"
                )


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)
