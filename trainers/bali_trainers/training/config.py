"""What a training run is: one typed configuration, read from TOML.

A configuration is a file, or the name of one that ships with the package (``published``,
``demo``). Every key is checked: an unknown one is answered with the one that was probably meant,
and a combination that cannot work is refused before any work is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bali_platform.base.errors import UsageError
from bali_trainers.batches.spec import BatchRecipe, Count, Fraction
from bali_trainers.training.toml_files import check, read_toml, shipped

Positive = Annotated[float, Field(gt=0.0)]
Minutes = Annotated[str, Field(pattern=r"^\d+(\.\d+)? min$")]

ENCODER_OPTIONS = {
    "gatv2": {"backend", "layers", "heads", "dropout", "relations", "residual", "start", "frozen"},
    "sage": {"backend", "layers", "dropout", "residual", "start", "frozen"},
    "mean": set[str](),
    "none": set[str](),
    "linearised": set[str](),
}
"""The options of ``[graph_encoder]`` that each kind has."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(_Section):
    """The language model, and how a mention's token states become one vector.

    ``frozen_layers`` > 0 freezes the embeddings and so many layers; ``lora_rank`` > 0 freezes the
    encoder and trains low-rank adapters of it.
    """

    base: str = "minilm"
    pooling: Literal["mean", "first", "max", "attention"] = "mean"
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    lora_rank: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _frozen_once(self) -> Self:
        if self.frozen_layers and self.lora_rank:
            raise ValueError("lora_rank freezes all layers already: leave out frozen_layers")
        return self


class DataConfig(BatchRecipe):
    """Text, neighbourhoods and how batches arrive."""

    corpus: str | None = None
    """A linked corpus: its folder, or its name in this installation."""
    source: Literal["workers", "inline", "replay"] = "workers"
    """Who builds batches: Celery workers, the trainer itself, or nobody (they were recorded)."""
    replay: Path | None = None
    """A recording of ``bali stream record``."""
    window: Count = 8
    """Batches that are asked for ahead of the one in use."""

    @model_validator(mode="after")
    def _replay_has_a_file(self) -> Self:
        if (self.source == "replay") != (self.replay is not None):
            raise ValueError("source = 'replay' and replay = FILE belong together: give both")
        return self


class GraphEncoderConfig(_Section):
    """How a concept's neighbourhood becomes one vector.

    Where the base is an exported model, its graph encoder goes on, ``start = "fresh"`` apart;
    ``frozen`` keeps it as it is.
    """

    kind: Literal["gatv2", "sage", "mean", "none", "linearised"] = "gatv2"
    backend: Literal["pyg", "dgl"] = "pyg"
    layers: Count = 5
    heads: Count = 2
    dropout: Fraction = 0.1
    relations: bool = True
    residual: bool = False
    start: Literal["base", "fresh"] = "base"
    frozen: bool = False

    @model_validator(mode="after")
    def _options_fit_the_kind(self) -> Self:
        allowed = ENCODER_OPTIONS[self.kind]
        for option in sorted(self.model_fields_set - {"kind"} - allowed):
            if getattr(self, option) != type(self).model_fields[option].default:
                raise ValueError(f"'{option}' does not apply to kind = '{self.kind}': remove it")
        return self


class ObjectiveConfig(_Section):
    """What every objective has: its weight in the sum of losses.

    ``reads`` are the parts of the model, beside the language model, that it trains: ``graphs``, the
    graph encoder, and ``mentions``, the pooling of mentions.
    """

    reads: ClassVar[frozenset[str]] = frozenset()

    weight: Annotated[float, Field(ge=0.0)] = 1.0


class AlignmentConfig(ObjectiveConfig):
    """NT-Xent between mention and graph vectors, with concepts as labels."""

    reads = frozenset({"graphs", "mentions"})

    temperature: Positive = 0.07


class MentionNameConfig(ObjectiveConfig):
    """NT-Xent between mention vectors and vectors of a name of their concept."""

    reads = frozenset({"mentions"})

    temperature: Positive = 0.07


class MentionTextConfig(ObjectiveConfig):
    """Distance of mention vectors from those of their texts, read alone and not abbreviated."""

    reads = frozenset({"mentions"})


class NameNameConfig(ObjectiveConfig):
    """NT-Xent between vectors of two names of a concept."""

    temperature: Positive = 0.07


class MultiSimilarityConfig(ObjectiveConfig):
    """Multi-Similarity loss between mention and graph vectors."""

    reads = frozenset({"graphs", "mentions"})

    alpha: Positive = 2.0
    beta: Positive = 50.0
    base: float = 0.5


class MlmConfig(ObjectiveConfig):
    """Masked language modelling with the checkpoint's own head."""


class TextToGraphConfig(ObjectiveConfig):
    """Relations and neighbours of mentioned concepts, predicted from the text."""

    reads = frozenset({"mentions"})


class LinkPredictionConfig(ObjectiveConfig):
    """A neighbour of each concept of a batch, found from its other neighbours."""

    reads = frozenset({"graphs"})

    temperature: Positive = 0.07


class GraphToTextConfig(ObjectiveConfig):
    """Masked tokens of mentions, recovered with the graph vector as context."""

    reads = frozenset({"graphs"})


class ObjectivesConfig(_Section):
    """The objectives that are switched on; with none named, the published two."""

    alignment: AlignmentConfig | None = None
    mention_name: MentionNameConfig | None = None
    mention_text: MentionTextConfig | None = None
    name_name: NameNameConfig | None = None
    multi_similarity: MultiSimilarityConfig | None = None
    mlm: MlmConfig | None = None
    text_to_graph: TextToGraphConfig | None = None
    link_prediction: LinkPredictionConfig | None = None
    graph_to_text: GraphToTextConfig | None = None

    @classmethod
    def published(cls) -> Self:
        """Alignment and masked language modelling, each with weight one."""
        return cls(alignment=AlignmentConfig(), mlm=MlmConfig())

    @property
    def predicts_tokens(self) -> bool:
        """Whether any of them predicts masked tokens."""
        return self.mlm is not None or self.graph_to_text is not None

    def read(self, part: str) -> bool:
        """Whether any of them trains a part of the model, see :class:`ObjectiveConfig`."""
        return any(part in objective.reads for objective in self.active.values())

    @property
    def active(self) -> dict[str, ObjectiveConfig]:
        """The objectives that are switched on, by name."""
        return {
            name: value
            for name in type(self).model_fields
            if (value := getattr(self, name)) is not None
        }


class LinkingConfig(_Section):
    """Linking on a dev corpus whenever the run evaluates: the metric ``linking/acc@1``.

    So many ``mentions`` are looked for among so many ``names`` of their concepts and of these
    concepts' neighbours.
    """

    corpus: str
    mentions: Count = 100
    names: Count = 500


class OptimiserConfig(_Section):
    """AdamW with two learning rates, linear warm-up and cosine decay.

    With ``average`` > 0, an exponential moving average of the weights with this decay is kept, and
    exported. ``base_share`` is the fraction of the exported language model's weights that is the
    base's: what training taught is kept in part, and so is what it would forget.
    """

    text_lr: Positive = 2e-5
    graph_lr: Positive = 1e-4
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    warmup: Fraction = 0.1
    clip: Positive = 1.0
    average: Fraction = 0.0
    base_share: Fraction = 0.0
    accumulation: Count = 1


class RunConfig(_Section):
    """How long (one epoch, if nothing is said), on what, and how often to save and report.

    With ``chunk`` > 0, so many sentences are encoded at a time and again in the backward pass:
    contrast batches can then be larger than memory would allow. ``best`` names the metric on
    ``[data] dev_batches`` whose best step is kept and exported; with ``patience`` > 0, the run
    ends after so many evaluations without a better one. ``profile`` steps are traced.

    ``packed`` texts share rows of 128 tokens or as many as the longest has, so that no padding is
    computed; ``"auto"`` is true on a GPU, for models whose texts can. ``precision = "auto"`` is
    bf16 where the device computes with it, else fp32. ``checkpoint_every`` is a number of steps, or
    of minutes, as ``"10 min"``. ``deterministic`` GPUs use slower kernels whose results do not
    vary; a CPU always does.
    """

    epochs: Count | None = None
    max_steps: Count | None = None
    precision: Literal["fp32", "bf16", "fp16", "auto"] = "auto"
    checkpoint_every: Count | Minutes = "10 min"
    keep: Count = 2
    log_every: Count = 10
    evaluate_every: Count = 50
    best: str = "loss"
    patience: Annotated[int, Field(ge=0)] = 0
    loggers: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = ()
    profile: Annotated[int, Field(ge=0)] = 0
    processes: Count = 1
    parallel: Literal["ddp", "fsdp"] = "ddp"
    compile: bool = False
    chunk: Annotated[int, Field(ge=0)] = 0
    packed: bool | Literal["auto"] = "auto"
    deterministic: bool = False
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    card_memory_gb: Annotated[float, Field(ge=0)] = 0.0
    threads: Count | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and self.max_steps is not None:
            raise ValueError("give epochs or max_steps, not both")
        return self

    @model_validator(mode="after")
    def _packing_works(self) -> Self:
        if self.packed is True and self.chunk:
            raise ValueError("packed = true does not go with chunk: leave out one of them")
        return self

    @model_validator(mode="after")
    def _sharding_works(self) -> Self:
        if self.parallel == "ddp":
            return self
        if self.processes == 1:
            raise ValueError("parallel = 'fsdp' shards over several processes: set processes")
        if self.chunk:
            raise ValueError(
                "parallel = 'fsdp' needs equally many passes on all ranks: leave out chunk"
            )
        if self.precision == "fp16":
            raise ValueError("parallel = 'fsdp' has no loss scaling: use precision = 'bf16'")
        if self.compile:
            raise ValueError("parallel = 'fsdp' is not compiled: leave out compile, or use 'ddp'")
        return self


class Config(_Section):
    """A whole training run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 29
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    graph_encoder: GraphEncoderConfig = GraphEncoderConfig()
    objectives: ObjectivesConfig = Field(default_factory=ObjectivesConfig.published)
    linking: LinkingConfig | None = None
    optimiser: OptimiserConfig = OptimiserConfig()
    run: RunConfig = RunConfig()

    @property
    def trained_encoder(self) -> GraphEncoderConfig:
        """The graph encoder; none, where no objective would train one that learns."""
        network = self.graph_encoder.kind in ("gatv2", "sage")
        if not network or self.objectives.read("graphs"):
            return self.graph_encoder
        return GraphEncoderConfig(kind="none")

    @property
    def trained_pooling(self) -> Literal["mean", "first", "max", "attention"]:
        """The pooling of mentions; the mean, where no objective would train one that learns."""
        return self.model.pooling if self.objectives.read("mentions") else "mean"

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if not any(objective.weight for objective in self.objectives.active.values()):
            raise ValueError("[objectives] names nothing with a weight: nothing would be learned")
        if self.run.precision == "fp16" and self.run.device == "cpu":
            raise ValueError(
                "[run] precision = 'fp16' needs a GPU: use 'bf16' or 'fp32' on the CPU"
            )
        if self.graph_encoder.backend == "dgl" and self.run.device.startswith("cuda"):
            raise ValueError(
                "[graph_encoder] backend = 'dgl' runs on the CPU only (PyPI's wheel): use 'pyg'"
            )
        if (self.run.patience or self.linking) and not self.data.dev_batches:
            what = "[run] patience" if self.run.patience else "[linking]"
            raise ValueError(f"{what} needs sentences to evaluate on: set [data] dev_batches")
        scored = self.run.best.split("/")[0]
        if scored == "linking":
            if self.linking is None or self.run.best != "linking/acc@1":
                raise ValueError(
                    f"[run] best = '{self.run.best}': there is 'linking/acc@1', of [linking] corpus"
                )
        elif scored != "loss" and scored not in self.objectives.active:
            raise ValueError(
                f"[run] best = '{self.run.best}' is no metric of an objective that is switched on"
            )
        if self.linking is not None and self.run.parallel == "fsdp":
            raise ValueError("[linking] reads whole weights: not with parallel = 'fsdp'")
        if self.objectives.predicts_tokens and self.data.mlm_probability == 0:
            raise ValueError("[objectives] has no masked token to predict: raise mlm_probability")
        if self.objectives.mention_text is not None and not self.data.mention_texts:
            raise ValueError(
                "[objectives.mention_text] reads what texts call concepts: set [data] mention_texts"
            )
        if self.graph_encoder.kind == "linearised":
            if self.data.mention_texts:
                raise ValueError("[data] mention_texts needs nodes: not for kind = 'linearised'")
            for name in ("mention_name", "name_name", "text_to_graph", "link_prediction"):
                if name in self.objectives.active:
                    raise ValueError(
                        f"[objectives.{name}] needs nodes: not for kind = 'linearised'"
                    )
        return self


def minutes(text: str) -> float:
    """Return how many minutes ``"10 min"`` says."""
    return float(text.removesuffix(" min"))


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the package."""
    return shipped("training/configs")


def load_config(path: str | Path, **overrides: dict[str, Any]) -> Config:
    """Read a configuration file, or a shipped one by name, see :func:`new_config`."""
    return new_config(read_toml(path, "training/configs"), str(path), **overrides)


def new_config(data: dict[str, Any], where: str, /, **overrides: dict[str, Any]) -> Config:
    """Check a configuration that somebody wrote in ``where``.

    ``overrides`` replace single keys, section by section: ``data={"corpus": "notes"}``.
    """
    sections = {name: {**data.get(name, {}), **values} for name, values in overrides.items()}
    config = parse_config({**data, **sections}, where)
    if "best" in config.run.model_fields_set and not config.data.dev_batches:
        raise UsageError(
            f"{where}: [run] best needs sentences to evaluate on: set [data] dev_batches"
        )
    return config


def parse_config(data: Any, where: str) -> Config:
    """Check a configuration read from ``where``; one line says what is wrong with it."""
    return check(Config, data, where)
