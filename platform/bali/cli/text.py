"""``bali corpus``: documents in, linked corpora out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bali.cli.common import CommandGroup, JsonOption, out, print_json, reporter, table
from bali.cli.corpus import export, show, stats
from bali.cli.queued import workers_for
from bali.cli.review import review
from bali_platform.base.progress import QUIET, Reporter

if TYPE_CHECKING:
    from bali.reranking import ModelReranker
    from bali_loaders.corpora import Conversion, LinkDocuments, Reading
    from bali_loaders.corpora.handing_out import Workers
    from bali_loaders.linking import Dictionary, LinkOptions


Ambiguity = Literal["skip", "first", "all"]
Preset = Literal["clinical", "literature", "training"]

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE..",
        help="Files (.txt, .jsonl, .csv, .xml, .pubtator ..; or .gz), folders and zips of them. "
        "docs/text.md lists the formats.",
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the new corpus.")
]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, help="Files to work on at a time, a process each.")
]
Encoding = Annotated[str, typer.Option(help="Encoding of the files, if it is not UTF-8.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first document that cannot be read.")
]
Withheld = Annotated[
    float,
    typer.Option(min=0, max=0.99, help="Fraction of synonyms that no sentence may hold."),
]


Group = Annotated[
    list[str] | None, typer.Option("--group", help="Semantic group to link; may be repeated.")
]
Type = Annotated[
    list[str] | None, typer.Option("--type", help="Semantic type to link; may be repeated.")
]
Source = Annotated[
    list[str] | None, typer.Option("--source", help="Vocabulary to link; may be repeated.")
]
Nil = Annotated[
    float, typer.Option(min=0, max=1, help="Leave out names whose concept is less sure than this.")
]
LinkerFolder = Annotated[
    Path | None,
    typer.Option(
        "--linker",
        help="Trained linker that decides what names of several concepts mean; by default the "
        "home's, if there is one. `none` is none.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(help="Language model that decides what ambiguous names mean, by the sentence."),
]
Threshold = Annotated[
    float,
    typer.Option(min=-1, max=1, help="With --model: least cosine of sentence and concept, or NIL."),
]


def definitions(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the new corpus.")],
    withheld: Withheld = 0.1,
    as_json: JsonOption = False,
) -> None:
    """Make a corpus of the graph's own definitions, linked to the other concepts they mention."""
    from bali_loaders.corpora import write_definitions
    from bali_loaders.linking import Linker
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph

    linker = Linker(_dictionary(withheld))
    with Graph.connect(load_settings()) as graph:
        write_definitions(graph, linker, folder, reporter=reporter())
    show(folder, as_json)


def link(
    files: Files,
    folder: Output,
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="What it is for: notes (clinical), articles (literature, the default), or a "
            "corpus to train on (training)."
        ),
    ] = None,
    group: Group = None,
    type_: Type = None,
    source: Source = None,
    min_length: Annotated[int, typer.Option(min=1, help="Least characters of a name to link.")] = 2,
    stop: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names never to link, one a line.")
    ] = None,
    nil: Nil = 0.0,
    ambiguous: Annotated[
        Ambiguity | None,
        typer.Option(help="For training: what to do with a name that several concepts share."),
    ] = None,
    linker: LinkerFolder = None,
    model: Model = None,
    threshold: Threshold = 0.0,
    withheld: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.99, help="For training: fraction of synonyms that no sentence may hold."
        ),
    ] = None,
    jobs: Jobs = 1,
    workers: Annotated[
        bool,
        typer.Option("--workers", help="Let workers do it, on any machine; needs a store."),
    ] = False,
    encoding: Encoding = "utf-8",
    strict: Strict = False,
    as_json: JsonOption = False,
) -> None:
    """Link documents to the graph by its names, and keep the sentences that mention something.

    A corpus to train on is made with --preset training, which --ambiguous, --model and --withheld
    imply. Stopped at any point, the same command goes on with the files that are left.
    """
    from bali_loaders.corpora import LinkNames
    from bali_platform.base.errors import UsageError

    for_training = (ambiguous, model, withheld) != (None, None, None)
    for_reading = any((group, type_, source, stop, nil, linker, min_length != 2))
    purpose = preset or ("training" if for_training else "literature")
    share = 0.0
    options: LinkOptions | None = None
    convert: Conversion
    if purpose != "training":
        if for_training:
            raise UsageError("--ambiguous, --model and --withheld need --preset training")
        options = _chosen(purpose, group, type_, source, min_length, stop, nil)
        version, documents = _documents(options, linker, reporter() if jobs == 1 else QUIET)
        if workers and documents.decider:
            raise UsageError("a trained linker decides on this machine: add --linker none")
        replace(documents, decider=None).linker()  # a wrong option is told before any file is read
        convert = documents
    elif for_reading:
        raise UsageError("a corpus to train on holds every name: leave the filters away")
    else:
        share = 0.1 if withheld is None else withheld
        dictionary = _dictionary(share)
        version, decide = dictionary.graph_version, ambiguous or "skip"
        convert = LinkNames(dictionary.folder, decide, _reranker(model, threshold))
    reading, hands = _reading(encoding, strict), None
    if workers:
        if model:
            raise UsageError("--model decides on this machine: leave out --workers")
        hands = workers_for(version, options, share, ambiguous or "skip", reading)
    _build(files, folder, convert, version, share, reading, jobs, hands)
    _show_built(folder, as_json)


def _chosen(
    preset: Literal["clinical", "literature"],
    group: list[str] | None,
    type_: list[str] | None,
    source: list[str] | None,
    min_length: int,
    stop: Path | None,
    nil: float,
) -> LinkOptions:
    from bali_loaders.linking import chosen_options
    from bali_platform.base.errors import UsageError

    try:
        lines = stop.read_text(encoding="utf-8-sig").splitlines() if stop else []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {stop}: {error}") from None
    base = chosen_options(
        preset,
        types=type_ or (),
        groups=group or (),
        sources=source or (),
        nil=nil,
    )
    stop_names = frozenset(filter(None, map(str.strip, lines)))
    return replace(base, min_length=min_length, stop_names=stop_names)


def _documents(
    options: LinkOptions, linker: Path | None, progress: Reporter
) -> tuple[str, LinkDocuments]:
    """Compile what the live graph says, and return its version and the work that links."""
    from bali.trained import trained_decider
    from bali_loaders.corpora import LinkDocuments
    from bali_loaders.linking.linker import graph_dictionary, graph_facts
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph

    settings = load_settings()
    cache = settings.home / "cache"
    decider = trained_decider(settings, linker, progress)
    with Graph.connect(settings) as graph:
        dictionary = graph_dictionary(graph, cache, reporter=reporter())
        facts = graph_facts(graph, cache, reporter())
    return dictionary.graph_version, LinkDocuments(dictionary.folder, facts, options, decider)


def import_(
    files: Files,
    folder: Output,
    codes: Annotated[
        Path | None,
        typer.Option(
            help="Table of identifier, tab, CUI, for vocabularies that the graph does not hold."
        ),
    ] = None,
    withheld: Withheld = 0.0,
    jobs: Jobs = 1,
    encoding: Encoding = "utf-8",
    strict: Strict = False,
    as_json: JsonOption = False,
) -> None:
    """Import documents with the annotations they bring, mapped to concepts of the graph.

    For a corpus to train on, give --withheld the fraction that training withholds. Stopped at any
    point, the same command goes on with the files that are left.
    """
    from bali_loaders.corpora import ImportAnnotations
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph

    settings = load_settings()
    with Graph.connect(settings) as graph:
        version = graph.version
    hidden = _dictionary(withheld).folder if withheld else None
    convert = ImportAnnotations(settings, codes, hidden)
    _build(files, folder, convert, version, withheld, _reading(encoding, strict), jobs)
    _show_built(folder, as_json)


def _dictionary(withheld: float) -> Dictionary:
    from bali_loaders.linking import graph_dictionary
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph

    settings = load_settings()
    with Graph.connect(settings) as graph:
        return graph_dictionary(
            graph, settings.home / "cache", withheld=withheld, reporter=reporter()
        )


def _reading(encoding: str, strict: bool) -> Reading:
    import codecs

    from bali_loaders.corpora import Reading
    from bali_platform.base.errors import UsageError

    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageError(f"no encoding '{encoding}': cp1252, latin-1, utf-16 are some") from None
    return Reading(encoding, strict)


def _reranker(model: str | None, threshold: float) -> ModelReranker | None:
    from bali.reranking import ModelReranker
    from bali_platform.base.settings import load_settings

    return ModelReranker(model, threshold, load_settings()) if model else None


def _build(
    files: list[Path],
    folder: Path,
    convert: Conversion,
    graph_version: str,
    withheld: float,
    reading: Reading,
    jobs: int,
    workers: Workers | None = None,
) -> None:
    from bali_loaders.corpora import build_corpus

    build_corpus(
        files,
        folder,
        convert,
        graph_version=graph_version,
        details={"withheld": withheld},
        reading=reading,
        jobs=jobs,
        workers=workers,
        reporter=reporter(),
    )


def _show_built(folder: Path, as_json: bool) -> None:
    """Show a new corpus; raises :class:`BaliError` where files are missing in it."""
    from bali_loaders.corpora import UNREAD
    from bali_platform.base.errors import BaliError
    from bali_platform.text.corpus import open_corpus

    show(folder, as_json)
    if unread := open_corpus(folder).details["counts"].get(UNREAD):
        raise BaliError(
            f"{unread:,} {UNREAD} are left out: mend them and run the same command again"
        )


def split(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A linked corpus.")],
    folder: Output,
    every: Annotated[
        int, typer.Option(min=3, help="One document of so many is tested on, one chosen on.")
    ] = 10,
    as_json: JsonOption = False,
) -> None:
    """Cut a corpus by document into train, dev and test, each a corpus in FOLDER."""
    from bali_loaders.corpora import split_corpus

    parts = split_corpus(corpus, folder, every=every)
    if as_json:
        print_json({part: info.model_dump() for part, info in parts.items()})
        return
    rows = [(str(folder / part), i.sentences, i.mentions) for part, i in parts.items()]
    out.print(table("", ("corpus", "sentences", "mentions"), rows))


def score(
    folder: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="A corpus with marked mentions.")
    ],
    preset: Annotated[Preset, typer.Option(help="What the linker is for.")] = "literature",
    group: Group = None,
    type_: Type = None,
    source_: Source = None,
    nil: Nil = 0.0,
    linker: LinkerFolder = None,
    model: Model = None,
    threshold: Threshold = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Compare what the linker finds, without help, with the mentions that a corpus brings.

    With --model, or for training, sentences are linked one by one; else whole documents.
    """
    from bali_loaders.linking import Linker, score_documents, score_linker
    from bali_platform.text.corpus import read_sentences

    gold = read_sentences(folder)
    if model or preset == "training":
        source = _reranker(model, threshold)
        by_sentence = Linker(_dictionary(withheld=0.0), reranker=source() if source else None)
        result = score_linker(by_sentence, gold)
    else:
        options = _chosen(preset, group, type_, source_, 2, None, nil)
        _, documents = _documents(options, linker, reporter())
        result = score_documents(documents.linker(), gold)
    rows = {
        name: {"precision": s.precision, "recall": s.recall, "f1": s.f1, **s._asdict()}
        for name, s in result._asdict().items()
    }
    if as_json:
        print_json(rows)
        return
    columns = ("exact", "precision", "recall", "F1", "right", "found", "wanted")
    shown = [
        (name, f"{s.precision:.1%}", f"{s.recall:.1%}", f"{s.f1:.1%}", *s)
        for name, s in result._asdict().items()
    ]
    out.print(table(f"Linking on {folder}", columns, shown))


corpus = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Documents and definitions to linked corpora."
)
corpus.command()(definitions)
corpus.command("import")(import_)
for command in (export, link, review, score, split, stats):
    corpus.command()(command)
