"""Citations of PubMed and MEDLINE, as the baseline, the updates and the web site bring them."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from bali_loaders.corpora.documents import Document


def pubmed_citation(element: Element) -> Document:
    """Read an article or a book chapter; paragraphs are parted by blank lines.

    The sections of a structured abstract keep their labels. Markup goes, what it marks stays.
    Abstracts in other languages are left out. Raises ``ValueError`` when there is no PMID.
    """
    pmid = element.findtext(".//PMID", "").strip()
    if not pmid:
        raise ValueError("a citation without a PMID")
    title = element.find(".//ArticleTitle")
    paragraphs = ["" if title is None else _plain(title)]
    paragraphs += [_section(part) for part in element.iterfind(".//Abstract/AbstractText")]
    return Document(pmid, "\n\n".join(filter(None, paragraphs)), replaces=True)


def deleted_citations(element: Element) -> list[Document]:
    """Read the list of deleted citations that ends an update file: empty documents."""
    return [Document(_plain(pmid), "", replaces=True) for pmid in element.iterfind("PMID")]


def _section(element: Element) -> str:
    label, text = element.get("Label", ""), _plain(element)
    return f"{label}: {text}" if label and text else text


def _plain(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())
