"""Citations of PubMed and MEDLINE, as the baseline, the updates and the web site bring them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from bali_loaders.corpora.documents import Document, MalformedError

_PLACEHOLDER = re.compile(
    r"\[?((title |abstract )?not available|no (title|abstract) available|in process citation)"
    r"\.?\]?\.?",
    re.IGNORECASE,
)
_TRANSLATED = re.compile(r"\[(?P<title>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\](?P<stop>\.?)")
_BLOCK_TAGS = """
    p div br hr li list list-item ul ol dl dt dd table tr td th sec title caption label disp-formula
    disp-quote boxed-text h1 h2 h3 h4 h5 h6
"""
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_RAISED = frozenset({"sup", "sub"})
_HIDDEN = frozenset({"annotation", "annotation-xml", "tex-math"})
_NUMBER = re.compile(r"[-+−–]?\d+([.,]\d+)?")
_WORD_END = re.compile(r"[^\W\d_]{3}$|[.,;:)\]]$")
_REFERENCE = re.compile(r"\d+(\s*[,–-]\s*\d+)*")


def pubmed_citation(element: Element) -> Document | None:
    """Read an article or a book chapter; paragraphs are parted by blank lines.

    The sections of a structured abstract keep their labels, English abstracts of any kind are
    read. Markup goes, what it marks stays: blocks part words, ``CO<sub>2</sub>`` is CO2 and
    ``10<sup>6</sup>`` is 10^6. A placeholder ("[Not Available].") is no title, and a translated one
    loses its brackets. Returns None for a retracted publication. Raises ``MalformedError`` when
    there is no PMID.
    """
    pmid = (element.findtext(".//PMID") or "").strip()
    if not pmid:
        raise MalformedError("a citation without a PMID")
    kinds = {(kind.text or "").strip() for kind in element.iterfind(".//PublicationType")}
    if "Retracted Publication" in kinds:
        return None
    titles = (element.find(f".//{tag}") for tag in ("ArticleTitle", "BookTitle"))
    title = next((text for found in titles if found is not None and (text := _title(found))), "")
    abstracts = [*element.iterfind(".//Abstract")]
    abstracts += [a for a in element.iterfind(".//OtherAbstract") if a.get("Language") == "eng"]
    parts = [_section(part) for a in abstracts for part in a.iterfind("AbstractText")]
    text = "\n\n".join(filter(None, (title, *parts)))
    return Document(pmid, text, replaces=text != "")  # without a text it would be a deletion


def deleted_citations(element: Element) -> list[Document]:
    """Read the list of deleted citations that ends an update file: empty documents."""
    return [Document(plain_text(pmid), "", replaces=True) for pmid in element.iterfind("PMID")]


def plain_text(element: Element) -> str:
    """Return the text of an element without its markup, in single spaces."""
    return " ".join("".join(_pieces(element)).split())


def _title(element: Element) -> str:
    text = plain_text(element)
    if _PLACEHOLDER.fullmatch(text):
        return ""
    translated = _TRANSLATED.fullmatch(text)
    if not translated:
        return text
    title = translated["title"].strip()
    return title if title.endswith((".", "?", "!")) else title + translated["stop"]


def _section(element: Element) -> str:
    label, text = (element.get("Label") or "").strip(), plain_text(element)
    if _PLACEHOLDER.fullmatch(text):
        return ""
    return f"{label}: {text}" if label and text else text


def _pieces(element: Element) -> Iterator[str]:
    """Yield the texts inside an element, with what its children's markup means between them."""
    text = element.text or ""
    yield text
    before = text
    last: Element | None = None
    for child in element:
        content = _marked(child, before)
        if last is not None and not last.tail and _parts(last, child):
            content = f" {content}"
        yield content
        yield child.tail or ""
        before = content + (child.tail or "") or before
        last = child


def _marked(element: Element, before: str) -> str:
    if element.tag in _HIDDEN:
        return ""
    if element.tag in ("msup", "msub", "mfrac") and len(element) == 2:
        sign = {"msup": "^", "msub": "", "mfrac": "/"}[element.tag]
        return sign.join("".join(_pieces(part)) for part in element)
    content = "".join(_pieces(element))
    if element.tag in _BLOCKS:
        return f" {content} "
    mark = content.strip()
    if element.tag in _RAISED and before[-1:].isdigit() and _NUMBER.fullmatch(mark):
        return ("^" if element.tag == "sup" else "_") + mark
    if element.tag == "sup" and _WORD_END.search(before) and _REFERENCE.fullmatch(mark):
        return f" {mark}"
    return content


def _parts(one: Element, other: Element) -> bool:
    """Tell whether two neighbouring elements are two words: two in bold, or of the same tag."""
    inline = {"b", "i", "u", "bold", "italic"}
    return {one.tag, other.tag} <= inline and (one.tag == other.tag or "b" in (one.tag, other.tag))
