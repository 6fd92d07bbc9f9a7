"""From a configuration to a job that can be queued."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.jobs import Job, JobState, JobStore, code_version
from bali_platform.services.artefacts import Artefacts, files_of, here, open_store, shared
from bali_platform.streaming import ReplaySource
from bali_platform.subgraphs import GraphNeighbourhoods
from bali_platform.text.corpus import CorpusInfo, open_corpus
from bali_trainers.batches.linking_task import draw_linking_task
from bali_trainers.batches.places import tokenizer_files, tokenizer_sha
from bali_trainers.batches.spec import BatchRecipe, DataSpec, LinkingTask
from bali_trainers.models.bases import (
    require_fit,
    require_model,
    require_packed,
    require_pooling,
    tokenizer_folder,
)
from bali_trainers.training.config import Config, LinkingConfig, load_config


@dataclass(frozen=True)
class PreparedJob:
    """What is queued: a checked configuration and the recipe of its batches, as JSON values."""

    name: str
    config: dict[str, Any]
    spec: dict[str, Any]

    def queue(self, store: JobStore, folder: Path, *, priority: int = 0, retries: int = 5) -> Job:
        """Queue it, in a new folder within ``folder``."""
        run = self.config["run"]
        if ":" in run["device"]:
            raise UsageError(
                f"[run] device = '{run['device']}': the worker chooses the card of a queued job: "
                "use 'cuda', or train with --local"
            )
        return store.submit(
            "train",
            self.name,
            self.config,
            self.spec,
            folder,
            cards=0 if run["device"] == "cpu" else run["processes"],
            card_memory_mb=int(run["card_memory_gb"] * 1024),
            priority=priority,
            retries=retries,
        )

    @property
    def content(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What decides the weights: all but what it is called."""
        return _unnamed(self.config), self.spec


def prepare(
    config_path: str | Path, settings: Settings, **overrides: dict[str, Any]
) -> PreparedJob:
    """Read a configuration, with overrides as in :func:`load_config`, and :func:`pin` it."""
    return pin(load_config(config_path, **overrides), settings)


def pin(config: Config, settings: Settings) -> PreparedJob:
    """Pin what the batches of a configuration depend on.

    That is the live graph and a corpus; or, with ``source = "replay"``, what the recording says of
    itself: then neither is needed. Whatever cannot work is refused here, before anything is queued,
    and what the run reads goes into the store, if there is one.
    """
    config = _found_anywhere(config)
    if config.data.replay is None:
        find_corpus(config.data.corpus, settings)
    require_model(config.model.base)
    require_pooling(config.model.base, config.trained_pooling)
    if config.run.packed is True:
        require_packed(config.model.base)
    if config.data.replay is not None:
        recording = Path(here(str(config.data.replay), settings)).absolute()
        data = config.data.model_copy(update={"replay": recording})
        config = config.model_copy(update={"data": data})
        spec = _recorded_spec(config, recording, settings)
    else:
        spec = _live_spec(config, settings)
    read = ("max_length", "graph_length" if spec.encoder == "linearised" else "name_length")
    lengths = {f"[data] {name}": getattr(spec, name) for name in read}
    require_fit(config.model.base, spec.tokenizer, lengths, _special_tokens(spec))
    if (store := open_store(settings)) is not None:
        config = _in_store(config, spec, store)
    return PreparedJob(config.name, config.model_dump(mode="json"), spec.model_dump(mode="json"))


def _found_anywhere(config: Config) -> Config:
    """Return a configuration whose base, where it is a folder, is found from any other one."""
    base = Path(config.model.base)
    if not base.is_dir():
        return config
    model = config.model.model_copy(update={"base": str(base.resolve())})
    return config.model_copy(update={"model": model})


def _special_tokens(spec: DataSpec) -> list[str]:
    """Return the special tokens that a run's batches are made of."""
    masked = ["mask"] if spec.mlm_probability or spec.hidden_names else []
    return ["pad", *masked, *(["cls", "sep"] if spec.encoder == "linearised" else [])]


def _in_store(config: Config, spec: DataSpec, store: Artefacts) -> Config:
    """Put what a run reads into the store; return a configuration that names it there."""
    data, model = config.data, config.model
    store.offer(f"tokenizers/{spec.tokenizer_sha}", tokenizer_files(spec.tokenizer))
    if data.replay is None:
        store.offer(f"corpora/{spec.corpus_sha}", files_of(spec.corpus))
    else:
        data = data.model_copy(update={"replay": Path(shared(store, "recordings", data.replay))})
    if (base := Path(model.base)).is_dir():
        model = model.model_copy(update={"base": shared(store, "models", base)})
    return config.model_copy(update={"data": data, "model": model})


def queue_once(prepared: PreparedJob, store: JobStore, folder: Path) -> Job:
    """Return the job that trains the same with this version of the code, whatever it is called.

    One that failed or was cancelled is queued again; where there is none, a new one is queued, in
    ``folder``. Records that Redis has lost are restored first.
    """
    store.recover(folder)
    job = next((job for job in store.list() if _trains_the_same(job, prepared)), None)
    if job is None:
        return prepared.queue(store, folder)
    return store.resume(job.id) if job.state.ended and job.state != JobState.SUCCEEDED else job


def find_corpus(name: str | None, settings: Settings) -> Path:
    """Look for a corpus as a folder, or in the store, then by name among those of this home."""
    if name is None:
        raise UsageError(
            "no corpus to train on: name one with [data] corpus, or make one with `bali corpus`"
        )
    folder = Path(here(name, settings))
    named = settings.home / "corpora" / name
    return named if named.is_dir() and not folder.is_dir() else folder


def _trains_the_same(job: Job, prepared: PreparedJob) -> bool:
    content = (_unnamed(job.config), job.spec)
    return (content, job.code_version) == (prepared.content, code_version())


def _unnamed(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "name"}


def _choices(config: Config, settings: Settings) -> dict[str, Any]:
    """Return what a configuration alone decides about batches."""
    needs, data = config.objectives.need, config.data
    return data.model_dump(include=set(BatchRecipe.model_fields)) | {
        "seed": config.seed,
        "tokenizer_sha": tokenizer_sha(_tokenizer(config, settings)),
        "mlm_probability": data.mlm_probability if needs("tokens") else 0.0,
        "synonyms": needs("synonyms"),
        "further_concepts": data.further_concepts if needs("further concepts") else 0,
        "mention_texts": data.mention_texts and needs("names"),
        "world_size": config.run.processes,
        "encoder": "linearised" if config.graph_encoder.kind == "linearised" else "graph",
    }


def _live_spec(config: Config, settings: Settings) -> DataSpec:
    corpus = find_corpus(config.data.corpus, settings)
    info = open_corpus(corpus)
    with Graph.connect(settings) as graph:
        version, relation_types = graph.version, graph.relation_types
        _require_graph(corpus, info, version)
        linking = config.linking and _linking_task(config.linking, graph, settings)
    held_back = float(info.details.get("withheld", 0.0))
    if held_back < config.data.withheld:
        raise BaliError(
            f"{corpus} may hold synonyms that [data] withheld = {config.data.withheld} keeps from "
            f"training (it left out {held_back:.0%}): make it again with "
            f"--withheld {config.data.withheld}, or set withheld = {held_back}"
        )
    return DataSpec(
        corpus=corpus.resolve(),
        corpus_sha=info.sha,
        graph_version=version,
        relation_types=relation_types,
        tokenizer=_tokenizer(config, settings),
        linking=linking,
        **_choices(config, settings),
    )


def _require_graph(corpus: Path, info: CorpusInfo, version: str) -> None:
    if info.graph_version != version:
        raise BaliError(
            f"{corpus} was linked with graph {info.graph_version}, but {version} is live: "
            "link it again with `bali corpus`"
        )


def _linking_task(asked: LinkingConfig, graph: Graph, settings: Settings) -> LinkingTask:
    corpus = find_corpus(asked.corpus, settings)
    _require_graph(corpus, open_corpus(corpus), graph.version)
    source = GraphNeighbourhoods(graph)
    return draw_linking_task(corpus, source, mentions=asked.mentions, names=asked.names)


def _recorded_spec(config: Config, recording: Path, settings: Settings) -> DataSpec:
    """Return the spec that a recording was made with, if the configuration asks for the same."""
    notes = ReplaySource(recording).notes
    if "spec" not in notes:
        raise BaliError(
            f"{recording} does not say what it holds: make it with `bali stream record`"
        )
    try:
        spec = DataSpec.model_validate(notes["spec"])
    except ValidationError as error:
        reason = error.errors()[0]
        raise BaliError(
            f"{recording} is not one that this version can train from: record it again "
            f"({reason['loc'][0]}: {reason['msg']})"
        ) from None
    for name, wanted in _choices(config, settings).items():
        if (recorded := getattr(spec, name)) != wanted:
            raise UsageError(
                f"{recording} was recorded with {name} {recorded}, not {wanted}: change the "
                "configuration, or record it again"
            )
    if config.linking and spec.linking is None:
        raise UsageError(f"{recording} was recorded without [linking]: record it again, with it")
    linking = spec.linking if config.linking else None
    return spec.model_copy(update={"tokenizer": _tokenizer(config, settings), "linking": linking})


def _tokenizer(config: Config, settings: Settings) -> Path:
    """Return a folder from which workers read the model's tokenizer without a network."""
    return tokenizer_folder(config.model.base, settings.home / "tokenizers")
