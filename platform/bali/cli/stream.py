"""``bali stream``: a run's batches in a file, and how fast they come."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from bali.cli.common import CommandGroup, JsonOption, fields, out, print_json, reporter

stream = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Record a run's batches, replay them, measure them.",
)

ConfigArgument = Annotated[Path, typer.Argument(help="A TOML file, or a shipped configuration.")]


@stream.command()
def record(
    config: ConfigArgument,
    file: Annotated[Path, typer.Argument(help="The recording to make.")],
    epochs: Annotated[int, typer.Option(min=1, help="How many epochs to record.")] = 1,
) -> None:
    """Build a run's batches into a file, to train from where there is no Neo4j."""
    from bali_platform.base.settings import load_settings
    from bali_platform.streaming import InlineSource, Recorder, encode
    from bali_platform.subgraphs import neighbourhoods
    from bali_trainers.batches.builder import BatchBuilder
    from bali_trainers.batches.spec import DataSpec
    from bali_trainers.training.submission import prepare

    settings = load_settings()
    prepared = prepare(config, settings)
    spec = DataSpec.model_validate(prepared.spec)
    builder = BatchBuilder(spec, neighbourhoods(settings))
    keys = builder.keys(epochs)
    notes = {"config": prepared.config, "spec": prepared.spec}
    recorder = Recorder(InlineSource(lambda key: encode(builder.build(key))), file, notes)
    with reporter().step(f"record {file}", total=len(keys)) as step:
        for _ in recorder.batches(keys):
            step.advance()
    advice = f'train from it with source = "replay" and replay = "{file}" under [data]'
    out.print(advice, markup=False, highlight=False, soft_wrap=True)


@stream.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Accept one that was cut short.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a recording through, checking every batch."""
    from bali_platform.streaming import ReplaySource, decode

    source = ReplaySource(file, partial=partial)
    started = time.monotonic()
    sizes = []
    with reporter().step(f"read {file}", total=len(source.keys)) as step:
        for _, payload in source.batches(source.keys):
            decode(payload)
            sizes.append(len(payload))
            step.advance()
    seconds = time.monotonic() - started
    result = {
        "batches": len(sizes),
        "epochs": len({key.epoch for key in source.keys}),
        "ranks": len({key.rank for key in source.keys}),
        "mebibytes": round(sum(sizes) / 2**20, 1),
        "batches per second": round(len(sizes) / seconds, 1),
    }
    print_json(result) if as_json else out.print(fields(str(file), result))


@stream.command()
def bench(
    config: ConfigArgument,
    batches: Annotated[int, typer.Option(min=2, help="How many batches to ask for.")] = 200,
    pace: Annotated[
        float, typer.Option(min=0, help="Sentences/s that the consumer takes; 0: all it gets.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast the running workers build a run's batches."""
    from bali_platform.base.settings import load_settings
    from bali_platform.jobs import JobStore, connect
    from bali_platform.jobs.throughput import borrowed_stream, measure
    from bali_platform.streaming import BatchKey
    from bali_trainers.training.submission import prepare

    settings = load_settings()
    prepared = prepare(config, settings)
    size = prepared.spec["batch_size"]
    keys = [BatchKey(0, index) for index in range(batches)]
    store = JobStore(connect(settings))
    window = prepared.config["data"]["window"]
    with borrowed_stream(
        store, prepared.config, prepared.spec, settings.home / "jobs", window
    ) as source:
        measured = measure(source, keys, size / pace if pace else 0)
    result = {
        "batches": measured.batches,
        "sentences per second": round(measured.batches_s * size, 1),
        "kibibytes per batch": round(measured.payload_bytes / measured.batches / 1024, 1),
        "waiting for data": f"{measured.data_wait:.2%}",
    }
    print_json(result) if as_json else out.print(fields(prepared.name, result))
