"""The linker as a component of spaCy: ``nlp.add_pipe("bali_linker", config={...})``.

Mentions are in ``doc.spans["bali"]``, those that do not overlap in ``doc.ents`` too, each with the
CUI as ``kb_id_``. What else :class:`~bali.linking.Mention` says of one is in its extensions:
``span._.bali_name``, ``bali_score``, ``bali_alternatives``, ``bali_attributes`` and
``bali_section``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from spacy.language import Language
from spacy.tokens import Span
from spacy.util import filter_spans

from bali.linking import LinkedText, Mention, link
from bali_loaders.linking import Preset

LABEL = "CONCEPT"
DEFAULTS = {"preset": "literature", "types": [], "groups": [], "sources": [], "nil": 0.0}
EXTENSIONS = ("name", "score", "alternatives", "attributes", "section")
for _name in EXTENSIONS:
    Span.set_extension(f"bali_{_name}", default=None, force=True)


@dataclass(frozen=True)
class SpacyLinker:
    """Links documents to the configured graph as :func:`bali.link` does.

    A mention that begins or ends inside a token is widened to whole ones.
    """

    preset: Preset
    types: Sequence[str]
    groups: Sequence[str]
    sources: Sequence[str]
    nil: float

    def __call__(self, doc: Any) -> Any:
        """Mark one document."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Any], *, batch_size: int = 128) -> Iterator[Any]:
        """Mark documents, many at once."""
        coming = iter(stream)
        while docs := list(islice(coming, batch_size)):
            found = link(
                [doc.text for doc in docs],
                self.preset,
                types=self.types,
                groups=self.groups,
                sources=self.sources,
                nil=self.nil,
            )
            yield from map(_marked, docs, found)


def _marked(doc: Any, found: LinkedText) -> Any:
    spans = [_span(doc, mention) for mention in found.mentions]
    doc.spans["bali"] = spans
    doc.ents = filter_spans([*spans, *doc.ents])
    return doc


def _span(doc: Any, mention: Mention) -> Any:
    span = doc.char_span(
        mention.start, mention.end, label=LABEL, kb_id=mention.cui, alignment_mode="expand"
    )
    for name in EXTENSIONS:
        value = getattr(mention, name)
        # Documents are stored and sent between processes as plain values.
        span._.set(f"bali_{name}", list(value) if isinstance(value, tuple) else value)
    return span


def make(  # spaCy names the first two
    nlp: Language,
    name: str,
    preset: Preset,
    types: list[str],
    groups: list[str],
    sources: list[str],
    nil: float,
) -> SpacyLinker:
    """Return the component for a pipeline."""
    return SpacyLinker(preset, types, groups, sources, nil)


Language.factory(
    "bali_linker", default_config=DEFAULTS, assigns=["doc.ents", "doc.spans"], func=make
)
