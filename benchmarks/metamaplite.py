"""MetaMapLite in Python, for comparison: ``python -m benchmarks.metamaplite NAMES TEXTS OUT``.

The package ``pymetamaplite``, a port of NLM's MetaMapLite, without a tagger of parts of speech: its
models are not on PyPI. Its index is made from the same names, written as rows of MRCONSO and
MRSTY. Where it finds several concepts for a span, the one whose preferred name is the text is
taken, else the first. Files: see :func:`benchmarks.others.answer`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pymetamaplite import MetaMapLite
from pymetamaplite.config import Settings
from pymetamaplite.index.build import build_index

from benchmarks.others import Concept, Match, answer


def rows(concepts: Iterable[Concept]) -> Iterator[str]:
    """Yield rows of MRCONSO: all English, the first name preferred."""
    number = 0
    for cui, names in concepts:
        for place, name in enumerate(names):
            number += 1
            kinds = ("P", "PF") if place == 0 else ("S", "VO")
            text = name.replace("|", " ").replace("\n", " ")
            yield (
                f"{cui}|ENG|{kinds[0]}|L{number}|{kinds[1]}|S{number}|Y|A{number}||||"
                f"X|PT|{number}|{text}|0|N||\n"
            )


def prepare(concepts: list[Concept], folder: Path) -> MetaMapLite:
    """Build its index of the names in a folder, and read it."""
    with (folder / "MRCONSO.RRF").open("w", encoding="utf-8") as file:
        file.writelines(rows(concepts))
    entities = (f"{cui}|T071|A1|Entity|AT1||\n" for cui, _ in concepts)
    (folder / "MRSTY.RRF").write_text("".join(entities), encoding="utf-8")
    build_index(folder / "MRCONSO.RRF", folder / "MRSTY.RRF", folder / "ivf")
    settings = Settings(folder / "ivf", enable_postagging=False)
    return MetaMapLite(settings, preload_index=True)


def match(linker: MetaMapLite, text: str) -> list[Match]:
    """Return (start, end, concept) of what is found in a sentence."""
    found = []
    for entity in linker.process_text(text):
        named = [e for e in entity.evs if e.concept.preferred_name.lower() == entity.text.lower()]
        found.append((entity.start, entity.end, (named or entity.evs)[0].cui))
    return sorted(found)


if __name__ == "__main__":
    answer(prepare, match)
