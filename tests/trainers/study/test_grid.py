"""What follows from a study's file, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bali_platform.base.errors import UsageError
from bali_trainers.study import Model, StudyConfig, expand, load_study, training_config

START = """
name = "first"
seeds = [1, 2]
[training.data]
corpus = "notes"
[training.graph_encoder]
layers = 2
[tests.notes]
corpus = "notes-test"
choose = "notes-dev"
"""
GRID = """
[grid]
objectives = ["aligned", "mlm"]
encoder = ["gatv2", "mean", "linearised"]
neighbours = [3, 0]
relations = [true, false]
temperature = [0.07, 0.2]
graph = ["real", "shuffled"]
[objectives.aligned]
alignment = {}
mlm = { weight = 0.1 }
[objectives.mlm]
mlm = {}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return write


def named(study: StudyConfig) -> dict[str, Model]:
    return {model.name: model for model in expand(study)}


def config_of(study: StudyConfig, name: str, seed: int = 1) -> dict[str, dict[str, object]]:
    choices = dict(named(study)[name].choices)
    return training_config(study, name, choices, seed).model_dump()


def test_one_axis_varies_at_a_time(write: Write) -> None:
    study = load_study(write(START + GRID))
    assert list(named(study)) == [
        *("untouched", "tf-idf", "aligned", "objectives mlm", "encoder mean"),
        *("encoder linearised", "neighbours 0", "relations off", "temperature 0.2"),
        "graph shuffled",
    ]
    assert [model.role for model in expand(study)][:4] == [
        *("untouched", "untrained", "main", "variant")
    ]
    main = config_of(study, "aligned")
    assert main["graph_encoder"]["layers"] == 2
    assert main["objectives"]["mlm"]["weight"] == 0.1
    assert (main["name"], main["seed"]) == ("first-aligned-1", 1)
    changed = {
        "neighbours 0": ("data", "neighbours", 0),
        "relations off": ("graph_encoder", "relations", False),
        "graph shuffled": ("data", "graph", "shuffled"),
    }
    for name, (section, key, value) in changed.items():
        expected = main | {"name": f"first-{name.replace(' ', '-')}-1"}
        expected[section] = expected[section] | {key: value}
        assert config_of(study, name) == expected


def test_every_objective_that_has_a_temperature_gets_it(write: Write) -> None:
    objectives = config_of(load_study(write(START + GRID)), "temperature 0.2")["objectives"]
    assert objectives["alignment"] == {"weight": 1.0, "temperature": 0.2}
    assert objectives["mlm"] == {"weight": 0.1}


def test_options_that_another_encoder_does_not_have_go_with_it(write: Write) -> None:
    study = load_study(write(START + GRID))
    for kind in ("mean", "linearised"):
        assert config_of(study, f"encoder {kind}")["graph_encoder"]["kind"] == kind


def test_every_combination(write: Write) -> None:
    grid = "combine = 'all'\n" + START + "[grid]\nneighbours = [3, 0, 1]\nhops = [1, 2]\n"
    study = load_study(write(grid))
    assert [model.name for model in expand(study) if model.role == "variant"] == [
        *("hops 2", "neighbours 0", "neighbours 0, hops 2", "neighbours 1"),
        "neighbours 1, hops 2",
    ]
    assert config_of(study, "neighbours 1, hops 2", seed=2)["data"]["hops"] == 2


def test_named_models_choose_freely_and_controls_point_at_others(write: Write) -> None:
    study = load_study(
        write(
            START
            + GRID
            + """
            [models."MLM only"]
            objectives = "mlm"
            encoder = "none"
            "run.max_steps" = 7
            [models.lost]
            links = "shuffled"
            [controls]
            lost = "untouched"
            "graph shuffled" = "neighbours 0"
            """
        )
    )
    assert config_of(study, "MLM only")["run"]["max_steps"] == 7
    assert config_of(study, "lost")["data"]["links"] == "shuffled"
    models = named(study)
    assert {name: model.against for name, model in models.items() if model.against} == {
        "lost": "untouched",
        "graph shuffled": "neighbours 0",
    }
    assert models["lost"].role == "named"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[grid]\nneigbours = [1]", r"there is no axis 'neigbours' (did you mean 'neighbours'?)"),
        (
            "[grid]\n'run.max_stepz' = [1]",
            "unknown key 'run.max_stepz' (did you mean 'max_steps'?)",
        ),
        ("[grid]\nobjectives = ['mml']\n[objectives.mlm.mlm]", "(did you mean 'mlm'?)"),
        ("[grid]\nneighbours = []", "grid.neighbours = []: list should have at least 1 item"),
        ("[grid]\nencoder = ['gat']", "study first, model 'aligned': graph_encoder.kind = 'gat'"),
        ("[grid]\nhops = [1, -1]", "model 'hops -1': data.hops = -1"),
        ("[models.aligned]\nhops = 2", "two models are called 'aligned'"),
        ("[controls]\nalligned = 'untouched'", "no model 'alligned' (did you mean 'aligned'?)"),
        ("[controls]\naligned = 'untuched'", "no model 'untuched' (did you mean 'untouched'?)"),
        ("[tests.more]\ncorpus = 'x'\nchose = 'y'", "'tests.more.chose' (did you mean 'choose'?)"),
        ("[training.dta]\nhops = 1", "unknown key 'dta' (did you mean 'data'?)"),
        ("[training.data.more]", "unknown key 'data.more'"),
        ("[objectives.x.alignment]\nwieght = 1", "alignment.wieght' (did you mean 'weight'?)"),
        ("[trainin]", "unknown key 'trainin' (did you mean 'training'?)"),
    ],
)
def test_a_mistake_is_one_line(write: Write, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        expand(load_study(write(START + text)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_for_the_study_to_say(write: Write) -> None:
    with pytest.raises(UsageError, match=r"\[training\] seed is for the study to say"):
        load_study(write(START.replace("[training.data]", "[training]\nseed = 1\n[training.data]")))
    with pytest.raises(UsageError, match="a seed is named twice"):
        load_study(write(START.replace("[1, 2]", "[2, 2]")))
    with pytest.raises(UsageError, match=r"set \[training.data\] withheld_edges = 0.1"):
        load_study(write(START + "[edges]\n"))
    with pytest.raises(UsageError, match="give a TOML file, or one of ablations, comparison, hour"):
        load_study("no-such-study")


def test_the_shipped_studies_are_whole() -> None:
    models = named(load_study("comparison"))
    assert {"untouched", "tf-idf", "MLM only", "names only"} <= set(models)
    assert models["graph shuffled"].against == "neighbours 0"
    assert models["links shuffled"].against == "names only"


def test_the_shipped_studies_share_what_they_have_in_common() -> None:
    comparison, ablations = load_study("comparison"), load_study("ablations")
    choices = [
        [dict(named(study)[model].choices) for model in ("aligned", "neighbours 0")]
        for study in (comparison, ablations)
    ]
    configs = [
        [training_config(study, "same", some, 1) for some in of]
        for study, of in zip((comparison, ablations), choices, strict=True)
    ]
    assert [c.model_dump(exclude={"name"}) for c in configs[0]] == [
        c.model_dump(exclude={"name"}) for c in configs[1]
    ]
