"""Files handed out as tasks to workers on any machine; what they make of them comes by the store.

In a part of the store for each plan, ``tasks/NAME`` holds the files of a piece, ``task.json`` and
what was chosen among its documents, and ``results/NAME`` what a worker made of them. A task that is
done twice gives the same, so that whatever is lost is asked for again; and a plan that was stopped
finds its results there.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from redis.exceptions import RedisError

from bali_loaders.corpora.building import (
    Conversion,
    Reading,
    convert_piece,
    list_piece,
    texts_of,
)
from bali_loaders.corpora.conversions import LinkDocuments, LinkNames
from bali_loaders.corpora.inputs import Input
from bali_loaders.linking.linker import Ambiguous, graph_dictionary, graph_facts
from bali_loaders.linking.options import LinkOptions
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import Reporter
from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.jobs.code import digest_of, recipe
from bali_platform.services.artefacts import Artefacts, files_of

ASK_AGAIN_S = 120.0
POLL_S = 0.5

Kind = Literal["list", "convert"]


class Recipe(BaseModel):
    """What a worker does with documents, so that each machine compiles its own linker.

    ``options`` are of a linker of whole documents; without any, names of a corpus to train on are
    linked, less the ``withheld`` fraction of synonyms. ``code`` is what a worker must run, see
    :func:`linking_code`.
    """

    model_config = ConfigDict(frozen=True)

    graph_version: str
    options: LinkOptions | None = None
    withheld: float = 0.0
    ambiguous: Ambiguous = "skip"
    encoding: str = "utf-8"
    strict: bool = False
    code: str = ""

    @property
    def plan(self) -> str:
        """The name of its part of the store."""
        known = self.model_dump(mode="json")
        for name, value in (known["options"] or {}).items():
            if isinstance(value, list):
                known["options"][name] = sorted(value)
        return blake2b(json.dumps(known).encode(), digest_size=8).hexdigest()

    @property
    def reading(self) -> Reading:
        """How files are read."""
        return Reading(self.encoding, self.strict)

    def conversion(self, settings: Settings) -> Conversion:
        """Compile what it needs of the live graph, which must be the one that was meant."""
        kept = settings.home / "cache"
        if self.code != linking_code():
            raise BaliError("this worker has another version of the code that links")
        with Graph.connect(settings) as graph:
            if graph.version != self.graph_version:
                raise BaliError(f"graph {graph.version} is live here, not {self.graph_version}")
            dictionary = graph_dictionary(graph, kept, withheld=self.withheld)
            if self.options is None:
                return LinkNames(dictionary.folder, self.ambiguous)
            return LinkDocuments(dictionary.folder, graph_facts(graph, kept), self.options)


@cache
def linking_code() -> str:
    """Return the version of the code that links in this process."""
    return digest_of(recipe([__name__]))


@dataclass(frozen=True)
class Workers:
    """Lets workers do the pieces of a corpus.

    Attributes:
        recipe: What they do.
        store: The plan's part of the store.
        ask: Sends a task to them, by its name.
        waiting: Tells how many tasks nobody has taken yet; while there are two, no other is sent.
    """

    recipe: Recipe
    store: Artefacts
    ask: Callable[[str], None]
    waiting: Callable[[], int]

    def each(
        self, kind: Kind, items: Sequence[tuple[Any, ...]], title: str, reporter: Reporter
    ) -> None:
        """Have every item done, each with its inputs, where its result goes, and more."""
        with reporter.step(title, len(items)) as step:
            todo: dict[str, Path] = {}
            for inputs, result, *chosen in items:
                if result.exists():
                    step.advance()
                else:
                    todo[self._offer(kind, inputs, chosen)] = result
            for result in self._results(todo):
                step.advance()
                assert result.exists()  # noqa: S101

    def _offer(self, kind: Kind, inputs: Sequence[Input], chosen: Sequence[Any]) -> str:
        """Put a task into the store and return its name, which says what it is."""
        files = {f"inputs/{number}/{each.path.name}": each.path for number, each in _found(inputs)}
        task = {
            "kind": kind,
            "recipe": self.recipe.model_dump(mode="json"),
            "inputs": [[str(each.path), each.name] for each in inputs],
        }
        with tempfile.TemporaryDirectory() as folder:
            files["task.json"] = Path(folder, "task.json")
            files["task.json"].write_text(json.dumps(task), encoding="utf-8")
            if chosen:
                files["chosen.npy"] = Path(folder, "chosen.npy")
                np.save(files["chosen.npy"], chosen[0])
            stamps = [(each.path.stat().st_size, each.path.stat().st_mtime_ns) for each in inputs]
            said = json.dumps([task, stamps, [one.tolist() for one in chosen]])
            name = blake2b(said.encode(), digest_size=16).hexdigest()
            self.store.offer(f"tasks/{name}", files)
        return name

    def _results(self, todo: dict[str, Path]) -> Iterator[Path]:
        """Ask for what is missing until all of it is there; yield each result that has come."""
        asked: dict[str, float] = {}
        while todo:
            there = {name.rpartition("/")[2] for name in self.store.names("results")}
            for name in there & todo.keys():
                self._fetch(name, todo[name])
                yield todo.pop(name)
            now = time.monotonic()
            due = [name for name in todo if now - asked.get(name, -ASK_AGAIN_S) >= ASK_AGAIN_S]
            with suppress(OSError, RedisError):  # Redis is away: they are asked later
                for name in due:
                    if self.waiting() >= 2:
                        break
                    self.ask(name)
                    asked[name] = now
            time.sleep(POLL_S if todo else 0)

    def _fetch(self, name: str, result: Path) -> None:
        got = result.with_name(f".{name}.got")
        self.store.get(f"results/{name}", got)
        try:
            if (fault := got / "fault").exists():
                raise BaliError(fault.read_text(encoding="utf-8"))
            if (texts := got / "texts").exists():
                texts.replace(texts_of(result))
            (got / "result").replace(result)
        finally:
            shutil.rmtree(got)


def do_task(store: Artefacts, name: str, settings: Settings) -> None:
    """Do a task on this machine, unless it is done; its result is whole or not there.

    What is wrong with the files is a result, too. Raises :class:`BaliError` where this machine
    cannot do it now: another one may, or this one later.
    """
    if store.has(f"results/{name}"):
        return
    with tempfile.TemporaryDirectory(prefix="bali-link-") as temporary:
        folder = Path(temporary)
        store.get(f"tasks/{name}", folder / "task")
        task = json.loads((folder / "task" / "task.json").read_bytes())
        recipe = Recipe.model_validate(task["recipe"])
        given = {str(path): folder / "task" / "inputs" / str(number) / Path(path).name
                 for number, (path, _) in enumerate(task["inputs"])}  # fmt: skip
        inputs = [Input(given[path], called) for path, called in task["inputs"]]
        work = partial(list_piece, recipe.reading)
        if task["kind"] == "convert":
            conversion = recipe.conversion(settings)
            work = partial(convert_piece, conversion, recipe.graph_version, recipe.reading)
        more = [np.load(folder / "task" / "chosen.npy")] if task["kind"] == "convert" else []
        try:
            work(inputs, folder / "result", *more)
        except BaliError as error:
            (folder / "fault").write_text(_as_given(str(error), given), encoding="utf-8")
            store.put(f"results/{name}", {"fault": folder / "fault"})
            return
        store.put(f"results/{name}", _made(folder, given))


def _made(folder: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """Return the files of a result, which names files as whoever handed them out does."""
    result = folder / "result"
    if result.is_file():
        return {"result": result}
    described = result / "corpus.json"
    described.write_text(_as_given(described.read_text("utf-8"), given), encoding="utf-8")
    files = {f"result/{inside}": path for inside, path in files_of(result).items()}
    return files | {"texts": texts_of(result)}


def _as_given(text: str, given: Mapping[str, Path]) -> str:
    for path, here in given.items():
        for how in (str, lambda each: json.dumps(each)[1:-1]):
            text = text.replace(how(str(here)), how(path))
    return text


def _found(inputs: Sequence[Input]) -> Iterator[tuple[int, Input]]:
    """Yield the numbered inputs, and the marks that lie beside a text."""
    for number, each in enumerate(inputs):
        yield number, each
        if (marks := each.path.with_suffix(".ann")).is_file() and marks != each.path:
            yield number, Input(marks, each.name)
