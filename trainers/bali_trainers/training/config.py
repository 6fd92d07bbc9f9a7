"""What a training run is: one typed configuration, read from TOML.

A configuration is a file, or the name of one that ships with the package (``published``,
``demo``). Every key is checked: an unknown one is answered with the one that was probably meant,
and a combination that cannot work is refused before any work is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bali_platform.base.errors import UsageError, did_you_mean
from bali_trainers.batches.spec import BatchRecipe, Count, Fraction
from bali_trainers.objectives.config import ObjectivesConfig
from bali_trainers.training.toml_files import check, read_toml, shipped

Positive = Annotated[float, Field(gt=0.0)]
Minutes = Annotated[str, Field(pattern=r"^\d+(\.\d+)? min$")]

LINKED = "linking/acc@1"
"""The metric of ``[linking]``."""

ENCODER_OPTIONS = {
    "gatv2": {"backend", "layers", "heads", "dropout", "relations", "residual", "start", "frozen"},
    "sage": {"backend", "layers", "dropout", "residual", "start", "frozen"},
    "compgcn": {"backend", "layers", "dropout", "residual", "start", "frozen"},
    "mean": set[str](),
    "none": set[str](),
    "linearised": set[str](),
}
"""The options of ``[graph_encoder]`` that each kind has."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(_Section):
    """The language model, and how a mention's token states become one vector."""

    base: str = "minilm"
    """A folder, a name on the Hugging Face hub, or ``minilm``."""
    pooling: Literal["mean", "first", "max", "attention"] = "mean"
    """How the token states of a mention become its vector."""
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """How many layers are frozen, and the embeddings with them."""
    lora_rank: Annotated[int, Field(ge=0)] = 0
    """Above 0, the encoder is frozen and low-rank adapters of it are trained."""

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
    """How a concept's neighbourhood becomes one vector."""

    kind: Literal["gatv2", "sage", "compgcn", "mean", "none", "linearised"] = "gatv2"
    """A network, the mean, the concept's name alone, or text read by the language model."""
    backend: Literal["pyg", "dgl"] = "pyg"
    layers: Count = 5
    heads: Count = 2
    dropout: Fraction = 0.1
    relations: bool = True
    """Whether the types of edges are seen."""
    residual: bool = False
    """Whether the network's answer is added to the vector of the concept's name."""
    start: Literal["base", "fresh"] = "base"
    """Whether the graph encoder of an exported base goes on, or a new one begins."""
    frozen: bool = False
    """Whether it stays as it is."""

    @model_validator(mode="after")
    def _options_fit_the_kind(self) -> Self:
        allowed = ENCODER_OPTIONS[self.kind]
        for option in sorted(self.model_fields_set - {"kind"} - allowed):
            if getattr(self, option) != type(self).model_fields[option].default:
                raise ValueError(f"'{option}' does not apply to kind = '{self.kind}': remove it")
        return self


class LinkingConfig(_Section):
    """Linking on a dev corpus whenever the run evaluates: the metric ``linking/acc@1``."""

    corpus: str
    mentions: Count = 100
    """How many of its mentions are looked for."""
    names: Count = 500
    """Among how many names of their concepts and of these concepts' neighbours."""


class OptimiserConfig(_Section):
    """AdamW with two learning rates, linear warm-up and cosine decay."""

    text_lr: Positive = 2e-5
    """Of what the base supplied."""
    graph_lr: Positive = 1e-4
    """Of everything new."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    warmup: Fraction = 0.1
    """Fraction of the steps."""
    clip: Positive = 1.0
    """Norm of the gradient at most."""
    average: Fraction = 0.0
    """Above 0, the decay of an exponential moving average of the weights, which is exported."""
    base_share: Fraction = 0.0
    """Fraction of the exported language model's weights that is the base's: what training taught
    is kept in part, and so is what it would forget."""
    accumulation: Count = 1
    """Batches a step."""


class RunConfig(_Section):
    """How long (one epoch, if nothing is said), on what, and how often to save and report."""

    epochs: Count | None = None
    max_steps: Count | None = None
    precision: Literal["fp32", "bf16", "fp16", "auto"] = "auto"
    """``"auto"`` is bf16 where the device computes with it, else fp32."""
    checkpoint_every: Count | Minutes = "10 min"
    """A number of steps, or of minutes as ``"10 min"``."""
    keep: Count = 2
    """How many checkpoints stay."""
    log_every: Count = 10
    """Steps between two lines of metrics."""
    evaluate_every: Count = 50
    """Steps between two evaluations of ``[data] dev_batches``."""
    best: str = "loss"
    """The metric of these evaluations whose best step is kept and exported."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Above 0, the run ends after so many evaluations without a better one."""
    loggers: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = ()
    profile: Annotated[int, Field(ge=0)] = 0
    """Steps that are traced."""
    processes: Count = 1
    """Ranks on this machine."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    compile: bool = False
    chunk: Annotated[int, Field(ge=0)] = 0
    """Above 0, so many sentences are encoded at a time and again in the backward pass: contrast
    batches can then be larger than memory would allow."""
    packed: bool | Literal["auto"] = "auto"
    """Texts share rows of 128 tokens or as many as the longest has, so that no padding is computed;
    ``"auto"`` is true on a GPU, for models whose texts can."""
    deterministic: bool = False
    """GPUs use slower kernels whose results do not vary; a CPU's never do."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    card_memory_gb: Annotated[float, Field(ge=0)] = 0.0
    """What each card must have."""
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
        network = self.graph_encoder.kind in ("gatv2", "sage", "compgcn")
        if not network or self.objectives.need("graphs"):
            return self.graph_encoder
        return GraphEncoderConfig(kind="none")

    @property
    def trained_pooling(self) -> Literal["mean", "first", "max", "attention"]:
        """The pooling of mentions; the mean, where no objective would train one that learns."""
        return self.model.pooling if self.objectives.need("mentions") else "mean"

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
        if self.run.best == LINKED and self.linking is None:
            raise ValueError(f"[run] best = '{LINKED}' is a metric of [linking]: set its corpus")
        known = ["loss", *self.objectives.metrics, *([LINKED] if self.linking else [])]
        if self.run.best not in known:
            raise ValueError(
                f"[run] best = '{self.run.best}' is no metric of this run"
                f"{did_you_mean(self.run.best, known)}; there are {', '.join(known)}"
            )
        if self.linking is not None and self.run.parallel == "fsdp":
            raise ValueError("[linking] reads whole weights: not with parallel = 'fsdp'")
        if self.objectives.need("tokens") and self.data.mlm_probability == 0:
            raise ValueError("[objectives] has no masked token to predict: raise mlm_probability")
        if self.objectives.need("mention texts") and not self.data.mention_texts:
            raise ValueError(
                "[objectives.mention_text] reads what texts call concepts: set [data] mention_texts"
            )
        if self.graph_encoder.kind == "linearised":
            if self.data.mention_texts:
                raise ValueError("[data] mention_texts needs nodes: not for kind = 'linearised'")
            for name, objective in self.objectives.active.items():
                if "nodes" in objective.needs:
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
