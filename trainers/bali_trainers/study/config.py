"""What a study is: one TOML file, from which every run and every comparison follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bali_platform.base.errors import did_you_mean
from bali_trainers.evaluation import Encoding
from bali_trainers.inference.embedding import Precision
from bali_trainers.inference.precision import settle_device, settle_precision
from bali_trainers.objectives.config import ObjectivesConfig
from bali_trainers.training.config import Config
from bali_trainers.training.toml_files import check, read_toml

AXES = (
    "objectives",
    "encoder",
    "neighbours",
    "hops",
    "temperature",
    "relations",
    "graph",
    "links",
)
"""What can be varied; beside these, any key of a training configuration."""

EDGES = "held-out edges"
"""The test of a study that is about edges."""

TestName = Annotated[str, Field(pattern=r"^[^/]+$")]
Choices = dict[str, Any]
"""A value for each of some axes; an axis may also be any key, such as ``optimiser.text_lr``."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TestConfig(_Section):
    """A corpus with marked mentions, and another one, on which each model's encoding is chosen."""

    __test__ = False  # for pytest, which looks for classes of this name

    corpus: str
    choose: str


class EdgesConfig(_Section):
    """Edges that training withheld: how many are asked about, among how many concepts."""

    withheld: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    asked: Annotated[int, Field(ge=1)] = 2000
    candidates: Annotated[int, Field(ge=1)] = 20_000


class StudyConfig(_Section):
    """A study.

    Attributes:
        name: What its folder is called.
        seeds: Each model is trained once with each.
        training: A training configuration, without name and seed: where all runs start from.
        main: What the model is called that has the first value of each axis of the grid.
        grid: Values of each axis.
        combine: ``"one"`` varies one axis at a time, ``"all"`` takes every combination.
        objectives: Sets of objectives, by the name that the axis ``objectives`` calls them.
        models: Further models, by name: what they choose otherwise than the main one.
        controls: Models that must not be better than another one, and that one.
        untrained: Models to compare with as they are, beside the one that runs start from.
        tests: What models are tested on.
        choose_documents: So many documents of each corpus to choose on are used, chosen by hash.
        edges: Also look for the ends of edges that training withheld.
        encodings: How mentions may be encoded; the best on the corpus to choose on counts.
        published: Read mentions and names in lower case, and no abbreviation by its long form, as
            published benchmarks do: by name alone.
        precision: Of the arithmetic of the evaluation; ``"auto"`` is bf16 where the device
            computes with it, else fp32.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)]
    training: dict[str, Any]
    main: str = "aligned"
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    combine: Literal["one", "all"] = "one"
    objectives: dict[str, ObjectivesConfig] = {}
    models: dict[str, Choices] = {}
    controls: dict[str, str] = {}
    untrained: tuple[str, ...] = ("tf-idf",)
    tests: Annotated[dict[TestName, TestConfig], Field(min_length=1)]
    choose_documents: Annotated[int, Field(ge=1)] = 100
    edges: EdgesConfig | None = None
    encodings: Annotated[tuple[Encoding, ...], Field(min_length=1)] = ("name", "context", "mixed")
    published: bool = False
    precision: Precision | Literal["auto"] = "fp32"

    @property
    def arithmetic(self) -> Precision:
        """The precision of the evaluation on this machine."""
        return settle_precision(self.precision, settle_device("auto"))

    @model_validator(mode="after")
    def _axes_are_known(self) -> Self:
        for axis, value in self._chosen():
            section = axis.split(".")[0]
            if axis not in AXES and ("." not in axis or section not in Config.model_fields):
                raise ValueError(f"there is no axis '{axis}'{did_you_mean(axis, AXES)}")
            if axis == "objectives" and value not in self.objectives:
                suggestion = did_you_mean(str(value), self.objectives)
                raise ValueError(f"no [objectives.{value}] says what '{value}' is{suggestion}")
        return self

    @model_validator(mode="after")
    def _seeds_are_the_studys(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed is named twice")
        for key in ("name", "seed"):
            if key in self.training:
                raise ValueError(f"[training] {key} is for the study to say: leave it out")
        return self

    @model_validator(mode="after")
    def _published_is_by_name(self) -> Self:
        if self.published and self.encodings != ("name",):
            raise ValueError('published = true reads mentions by name: set encodings = ["name"]')
        return self

    @model_validator(mode="after")
    def _edges_are_withheld(self) -> Self:
        if EDGES in self.tests:
            raise ValueError(f"[tests] '{EDGES}' is what [edges] asks for: call it otherwise")
        withheld = self.training.get("data", {}).get("withheld_edges", 0.0)
        if self.edges and withheld < self.edges.withheld:
            raise ValueError(
                f"[edges] asks for edges that training would see: set [training.data] "
                f"withheld_edges = {self.edges.withheld}"
            )
        return self

    def _chosen(self) -> Iterator[tuple[str, Any]]:
        for axis, values in self.grid.items():
            yield from ((axis, value) for value in values)
        for choices in self.models.values():
            yield from choices.items()


def load_study(path: str | Path) -> StudyConfig:
    """Read a study's file, or a shipped one by name; one line says what is wrong with it."""
    return check(StudyConfig, read_toml(path, "study/studies"), str(path))
