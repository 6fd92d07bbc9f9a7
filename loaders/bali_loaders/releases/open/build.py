"""Write the open release, file by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from bali_loaders.releases.identifiers import Numbering
from bali_loaders.releases.open.content import Content, read_content
from bali_loaders.releases.open.naming import TERM_TYPES, Atom, conso_rows, rank_rows
from bali_loaders.releases.open.readme import readme
from bali_loaders.releases.open.relations import INVERSES, relation_rows
from bali_loaders.releases.open.sources import sab_rows
from bali_loaders.releases.writing import documentation, new_release, semantic_types, write_file
from bali_platform.base.progress import QUIET, Reporter

VERSION = "2025OPEN"
DATE = "20250730"
SOURCE_TYPE = "T170"
EMPTY = (
    "CHANGE/DELETEDCUI",
    "CHANGE/DELETEDLUI",
    "CHANGE/DELETEDSUI",
    "CHANGE/MERGEDCUI",
    "CHANGE/MERGEDLUI",
    "MRAUI",
    "MRHIST",
    "MRMAP",
    "MRSMAP",
)
ATTRIBUTES = {
    "DATE_CREATED": "date on which the source made the term",
    "MN": "MeSH tree number",
    "SECONDARY_ID": "former identifier of the term in its source",
    "XREF": "cross reference to another database",
}

Row = tuple[str, ...]


def write(folder: Path, resources: Path, *, reporter: Reporter = QUIET) -> None:
    """Write the release to ``folder`` from the files in ``resources``.

    ``resources`` is what :func:`fetch_resources` returns. The same files give the same bytes.
    """
    with reporter.step("read open ontologies", 6) as step:
        content = read_content(resources, step)
    with new_release(
        folder,
        version=VERSION,
        date=DATE,
        description="Open ontologies, not the UMLS",
        reporter=reporter,
    ) as release:
        files = _files(content)
        with reporter.step("write release", len(files) + len(EMPTY)) as step:
            for name, rows in files.items():
                step.update(note=name)
                write_file(release, name, rows())
                step.advance()
            for name in EMPTY:
                write_file(release, name)
                step.advance()
        (release / "README.txt").write_text(readme(content, VERSION), encoding="utf-8")


def _files(content: Content) -> dict[str, Callable[[], Iterable[Row]]]:
    atoms = _atoms_by_concept(content)
    number = Numbering("AT", digits=9)
    types = {**dict.fromkeys(atoms, (SOURCE_TYPE,)), **content.types}
    return {
        "MRCONSO": lambda: (row for cui in sorted(atoms) for row in conso_rows(cui, atoms[cui])),
        "MRREL": lambda: relation_rows(content.facts, content.ends(), content.concept_ends()),
        "MRSTY": lambda: _type_rows(types, number),
        "MRDEF": lambda: sorted(_definition_rows(content, number)),
        "MRSAT": lambda: sorted(_attribute_rows(content, number)),
        "MRHIER": lambda: _hierarchy_rows(content),
        "MRCUI": lambda: sorted(
            (alias, VERSION, "SY", "", "", cui, "Y") for alias, cui in content.aliases.items()
        ),
        "MRRANK": rank_rows,
        "MRSAB": lambda: sab_rows(content.infos, content.terms.values(), atoms, VERSION),
        "MRDOC": lambda: documentation(
            version=VERSION,
            inverses=INVERSES,
            term_types=TERM_TYPES,
            attributes=ATTRIBUTES,
            languages={"ENG": "English"},
        ),
    }


def _atoms_by_concept(content: Content) -> dict[str, list[Atom]]:
    atoms: dict[str, list[Atom]] = defaultdict(list)
    for key, names in content.atoms.items():
        atoms[content.cui[key]].extend(names)
    for cui, atom in content.source_atoms:
        atoms[cui].append(atom)
    return atoms


def _type_rows(types: Mapping[str, Iterable[str]], number: Numbering) -> Iterator[Row]:
    for cui in sorted(types):
        for tui in types[cui]:
            stn, sty = semantic_types()[tui]
            yield cui, tui, stn, sty, number("MRSTY", cui, tui), ""


def _definition_rows(content: Content, number: Numbering) -> Iterator[Row]:
    for key, term in content.terms.items():
        if term.definition:
            atui = number("MRDEF", *key, term.definition)
            aui = content.atoms[key][0].aui
            yield content.cui[key], aui, atui, "", term.sab, term.definition, "N", ""


def _attribute_rows(content: Content, number: Numbering) -> Iterator[Row]:
    sources = {sab for sab, _ in content.terms}
    for key, term in content.terms.items():
        elsewhere = [("XREF", ":".join(xref)) for xref in term.xrefs if xref[0] not in sources]
        atom = content.atoms[key][0]
        kind = "SDUI" if term.sab == "MSH" else "SCUI"
        owner = (content.cui[key], atom.lui, atom.sui, atom.aui, kind, term.code)
        for name, value in dict.fromkeys([*term.attributes, *elsewhere]):
            atui = number("MRSAT", *key, name, value)
            yield *owner, atui, "", name, term.sab, value, "N", ""


def _hierarchy_rows(content: Content) -> Iterator[Row]:
    """Yield MeSH's hierarchies: a path of headings for every tree number."""
    numbers = {
        number: key
        for key, term in content.terms.items()
        for name, number in term.attributes
        if name == "MN"
    }
    contexts: dict[str, int] = defaultdict(int)
    for number, key in sorted(numbers.items(), key=lambda item: (content.cui[item[1]], item[0])):
        parts = number.split(".")
        above = (numbers.get(".".join(parts[:depth])) for depth in range(1, len(parts)))
        path = [content.atoms[heading][0].aui for heading in above if heading]
        aui = content.atoms[key][0].aui
        contexts[aui] += 1
        parent = path[-1] if path else ""
        place = (str(contexts[aui]), parent, "MSH", "", ".".join(path), number, "")
        yield content.cui[key], aui, *place
