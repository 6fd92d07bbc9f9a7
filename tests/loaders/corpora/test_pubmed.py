"""PubMed's XML: what a citation says, and that large files need no more memory than small ones."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from bali_loaders.corpora import Document, Notes, read_documents

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN"
 "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">
<PubmedArticleSet>
"""
CITATION = """
<PubmedArticle><MedlineCitation Status="MEDLINE"><PMID Version="1">{pmid}</PMID><Article>
<Journal><Title>J. Test</Title></Journal><ArticleTitle>{title}</ArticleTitle>
<Abstract>{abstract}<CopyrightInformation>(c) Nobody</CopyrightInformation></Abstract>
</Article>
<OtherAbstract Type="Publisher" Language="fre"><AbstractText>Le rein</AbstractText></OtherAbstract>
<CommentsCorrectionsList><CommentsCorrections><PMID Version="1">99</PMID></CommentsCorrections>
</CommentsCorrectionsList></MedlineCitation>
<PubmedData><ReferenceList><Reference><Citation>Old. 1999</Citation></Reference></ReferenceList>
</PubmedData></PubmedArticle>
"""


def citation(pmid: str, title: str, *sections: str) -> str:
    return CITATION.format(pmid=pmid, title=title, abstract="".join(sections))


def write(path: Path, *parts: str) -> Path:
    data = (HEAD + "".join(parts) + "</PubmedArticleSet>").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_structure_and_markup_of_citations(tmp_path: Path) -> None:
    structured = (
        '<AbstractText Label="AIM" NlmCategory="OBJECTIVE">To see &amp;\n  believe.</AbstractText>'
        "<AbstractText>p &lt; 0.05 for H<sub>2</sub>O; "
        '<mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:mi>x</mml:mi></mml:math>.'
        '</AbstractText><AbstractText Label="NONE"/>'
    )
    path = write(
        tmp_path / "pubmed25n0001.xml.gz",
        citation("1", "The <i>BRCA1</i> gene in Ménière&#8217;s.", structured),
        citation("2", "No abstract."),
        citation("3", "", "<AbstractText>No title.</AbstractText>"),
        "<PubmedBookArticle><BookDocument><PMID>4</PMID><Book><BookTitle>B</BookTitle></Book>"
        "<ArticleTitle>Chapter</ArticleTitle><Abstract><AbstractText>Text.</AbstractText>"
        "</Abstract></BookDocument></PubmedBookArticle>",
        "<DeleteCitation><PMID Version='1'>8</PMID><PMID>9</PMID></DeleteCitation>",
    )
    texts = {
        "1": "The BRCA1 gene in Ménière’s.\n\nAIM: To see & believe.\n\np < 0.05 for H2O; x.",
        "2": "No abstract.",
        "3": "No title.",
        "4": "Chapter\n\nText.",
        "8": "",
        "9": "",
    }
    expected = [Document(pmid, text, replaces=True) for pmid, text in texts.items()]
    assert list(read_documents(path)) == expected


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("[Not Available].", ""),
        ("[Gout in children].", "Gout in children."),
        ("[Gout (author's transl)]", "Gout (author's transl)"),
        ("[Gout] and [fever].", "[Gout] and [fever]."),
        ("<b>Sex: Male, 44</b><b>Diagnosis: Gout</b>", "Sex: Male, 44 Diagnosis: Gout"),
        ("<p>Gout</p><p>Fever</p><ul><li>one</li><li>two</li></ul>", "Gout Fever one two"),
        ("CO<sub>2</sub> fell by 10<sup>-3</sup>", "CO2 fell by 10^-3"),
        ("10<sup>6</sup> CFU; Ca<sup>2+</sup>, <sup>131</sup>I", "10^6 CFU; Ca2+, 131I"),
        ("as seen<sup>12,13</sup>. Again.<sup>4</sup>", "as seen 12,13. Again. 4"),
        ("<i>N</i>-acetyl <i>p</i> &lt; 1", "N-acetyl p < 1"),
        ("<msup><mi>x</mi><mn>2</mn></msup> in <mfrac><mn>1</mn><mn>2</mn></mfrac>", "x^2 in 1/2"),
    ],
)
def test_what_titles_and_markup_mean(written: str, text: str, tmp_path: Path) -> None:
    (document,) = read_documents(write(tmp_path / "a.xml", citation("1", written)))
    assert (document.text, document.replaces) == (text, text != "")


def test_other_abstracts_and_retractions(tmp_path: Path) -> None:
    other = (
        '<OtherAbstract Language="eng"><AbstractText>Plain words.</AbstractText></OtherAbstract>'
    )
    kind = "<PublicationType>Retracted Publication</PublicationType></Article>"
    path = write(
        tmp_path / "a.xml",
        citation("1", "Gout.").replace("<OtherAbstract", f"{other}<OtherAbstract"),
        citation("2", "Gone.").replace("</Article>", kind),
    )
    notes = Notes()
    assert [d.text for d in read_documents(path, notes)] == ["Gout.\n\nPlain words."]
    assert notes.counts == {"retracted publications": 1}


def test_several_documents_in_one_file(tmp_path: Path) -> None:
    long = f"<AbstractText>{'word ' * 9_000}</AbstractText>"
    one = write(tmp_path / "a.xml", citation("1", "One.", long)).read_bytes()
    two = write(tmp_path / "b.xml", citation("2", "Two."), citation("3", "Three.")).read_bytes()
    (tmp_path / "c.xml").write_bytes(one + b"\n\n" + two + two.partition(b"?>")[2])
    assert [d.id for d in read_documents(tmp_path / "c.xml")] == ["1", "2", "3", "2", "3"]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    abstract = f"<AbstractText>{'word ' * 200}</AbstractText>"
    peaks = []
    for size in (50, 500):
        path = write(
            tmp_path / f"{size}.xml", *(citation(str(i), "T", abstract) for i in range(size))
        )
        tracemalloc.start()
        assert sum(1 for _ in read_documents(path)) == size
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
