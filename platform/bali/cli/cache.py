"""``bali cache warm | stats | clear``: the neighbourhoods that Redis keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import CommandGroup, JsonOption, fields, out, print_json, reporter
from bali_platform.base.errors import BaliError

if TYPE_CHECKING:
    from bali_platform.subgraphs import CacheStats, RedisCache


cache = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="The neighbourhoods that Redis keeps."
)


@cache.command()
def warm(
    cuis: Annotated[list[str] | None, typer.Argument(help="CUIs; all of the graph.")] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Those that this linked corpus mentions.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fill the cache with neighbourhoods, and the names of neighbours, until it is full."""
    from bali_platform.base.settings import load_settings
    from bali_platform.graph import Graph
    from bali_platform.subgraphs import CachedNeighbourhoods, GraphNeighbourhoods, open_cache
    from bali_platform.subgraphs import warm as fill
    from bali_platform.text.corpus import open_corpus, read_sentences

    settings = load_settings()
    with Graph.connect(settings) as graph, _redis_errors(), reporter().step("warm") as step:
        if corpus is not None:
            step.update(total=open_corpus(corpus).concepts)
            sentences = read_sentences(corpus)
            wanted = dict.fromkeys(m.cui for sentence in sentences for m in sentence.mentions)
        else:
            wanted = dict.fromkeys(cuis or (cui for cui, _ in graph.names()))
            step.update(total=len(wanted))
        shared = open_cache(settings)
        source = CachedNeighbourhoods(GraphNeighbourhoods(graph), shared, local=0)
        fill(source, shared, wanted, step.advance)
    _show(shared.stats(), as_json)


@cache.command()
def stats(as_json: JsonOption = False) -> None:
    """Show what the cache holds and how often it served."""
    with _cache() as shared:
        _show(shared.stats(), as_json)


@cache.command()
def clear() -> None:
    """Empty the cache; nothing but time is lost."""
    with _cache() as shared:
        out.print(f"dropped {shared.clear()} entries")


@contextmanager
def _cache() -> Iterator[RedisCache]:
    from bali_platform.base.settings import load_settings
    from bali_platform.subgraphs import open_cache

    with _redis_errors():
        yield open_cache(load_settings())


@contextmanager
def _redis_errors() -> Iterator[None]:
    from redis.exceptions import RedisError

    try:
        yield
    except RedisError as error:
        raise BaliError(f"Redis: {error}: run `bali up`") from error


def _show(numbers: CacheStats, as_json: bool) -> None:
    if as_json:
        print_json(asdict(numbers) | {"hit_rate": numbers.hit_rate})
        return
    values = {
        "entries": f"{numbers.entries:,}",
        "memory": f"{numbers.bytes / 2**20:.1f} of {numbers.budget / 2**20:.0f} MiB",
        "hits": f"{numbers.hits:,} of {numbers.hits + numbers.misses:,} ({numbers.hit_rate:.1%})",
        "dropped to stay within it": f"{numbers.evicted:,}",
    }
    out.print(fields("Neighbourhood cache", values))
