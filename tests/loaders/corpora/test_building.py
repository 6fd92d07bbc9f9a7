"""Many files to one corpus: which documents are taken, in parallel, and after an interruption."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from signal import Signals, default_int_handler, signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bali_loaders.corpora import (
    UNREAD,
    Document,
    LinkNames,
    Notes,
    Reading,
    build_corpus,
    handing_out,
)
from bali_loaders.corpora.handing_out import Recipe, Workers, do_task
from bali_loaders.corpora.inputs import find_inputs
from bali_loaders.corpora.listing import LISTED, choose_documents
from bali_loaders.linking import compile_dictionary
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.services.artefacts import Artefacts
from bali_platform.text.corpus import CorpusInfo, Sentence, open_corpus, read_sentences

DOCUMENT = st.tuples(
    st.integers(0, 3), st.integers(0, 2), st.booleans()
)  # id, text (0 is empty), whether it replaces


def chosen_by_the_rules(documents: list[tuple[int, int, bool]]) -> list[bool]:
    seen: set[tuple[int, int]] = set()
    keep = []
    for place, (name, text, _) in enumerate(documents):
        later = [other for other in documents[place + 1 :] if other[0] == name and other[2]]
        taken = bool(text) and not later and (name, text) not in seen
        if taken:
            seen.add((name, text))
        keep.append(taken)
    return keep


@settings(max_examples=60)
@given(files=st.lists(st.lists(DOCUMENT, max_size=5), max_size=3))
def test_documents_are_chosen_across_files(files: list[list[tuple[int, int, bool]]]) -> None:
    listings = [np.array([(i, t, r, not t, 0) for i, t, r in file], dtype=LISTED) for file in files]
    counts: Counter[str] = Counter()
    keep = choose_documents(listings, counts)
    every = [document for file in files for document in file]
    assert [len(k) for k in keep] == [len(file) for file in files] or not files
    assert [bool(x) for k in keep for x in k] == chosen_by_the_rules(every)
    left_out = ("empty", "replaced", "deleted", "repeated")
    assert counts["documents"] == sum(chosen_by_the_rules(every)) + sum(
        counts[f"{why} documents"] for why in left_out
    )


def test_what_is_left_out_has_a_reason() -> None:
    rows = [(1, 5, 0, 0), (1, 5, 0, 0), (2, 6, 1, 0), (2, 7, 1, 0), (3, 8, 1, 0), (3, 0, 1, 1)]
    rows.append((4, 0, 0, 1))
    counts: Counter[str] = Counter()
    broken = np.array([(*row, 1) for row in rows], dtype=LISTED)
    whole = np.array([(*row, 0) for row in rows], dtype=LISTED)
    (*none, keep, last) = choose_documents([broken, whole, broken], counts)
    assert not np.any([*none, last])
    assert keep.tolist() == [True, False, False, True, False, False, False]
    assert +counts == {
        "documents": 6,
        "repeated documents": 1,
        "replaced documents": 1,
        "deleted documents": 1,
        "empty documents": 1,
    }


@pytest.fixture
def convert(tmp_path: Path) -> LinkNames:
    names = [("C0000001", ("Renal failure",)), ("C0000002", ("Asthma",))]
    return LinkNames(compile_dictionary(names, tmp_path / "d", graph_version="g").folder)


def write(folder: Path, name: str, *texts: str) -> Path:
    rows = [json.dumps({"id": f"{name}{i}", "text": text}) for i, text in enumerate(texts)]
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        write(tmp_path, "a", "Renal failure came. It went.", "Asthma."),
        write(tmp_path, "b", "Nothing."),
        write(tmp_path, "c", "Asthma and renal failure."),
    ]


def build(files: list[Path], folder: Path, convert: LinkNames | Fragile, jobs: int) -> CorpusInfo:
    return build_corpus(
        files, folder, convert, graph_version="g", details={"withheld": 0}, jobs=jobs
    )


def test_processes_make_the_same_corpus(
    files: list[Path], convert: LinkNames, tmp_path: Path
) -> None:
    alone = build(files, tmp_path / "one", convert, jobs=1)
    together = build(files, tmp_path / "two", convert, jobs=2)
    assert together == alone.model_copy(update={"name": "two"})
    assert open_corpus(tmp_path / "one") == alone
    assert (alone.sentences, alone.mentions, alone.concepts) == (3, 4, 2)
    texts = [s.text for s in read_sentences(tmp_path / "two")]
    assert texts == ["Renal failure came.", "Asthma.", "Asthma and renal failure."]
    assert alone.details["counts"]["sentences without a mention"] == 2
    left = sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("."))
    assert left == []


def test_workers_that_share_a_store_make_the_same_corpus(
    files: list[Path], convert: LinkNames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks get lost, are done twice, and fail; another attempt finds what was done."""
    (tmp_path / "broken.xml").write_text("<PubmedArticleSet><PubmedArticle>")
    (tmp_path / "note.txt").write_text("Asthma.")
    (tmp_path / "note.ann").write_text("T1\tDisease 0 6\tAsthma\n")
    files = [*files, tmp_path / "broken.xml", tmp_path / "note.txt"]
    monkeypatch.setattr(Recipe, "conversion", lambda recipe, here: convert)
    monkeypatch.setattr(handing_out, "ASK_AGAIN_S", 0.3)
    here = Settings(home=tmp_path / "home")
    store, asked = Artefacts(f"{tmp_path}/store"), list[str]()

    def ask(name: str) -> None:
        asked.append(name)
        if len(asked) == 4:
            raise ConnectionError("the broker is away")
        if len(asked) % 3:
            do_task(store, name, here)
            do_task(store, name, here)

    def stop(name: str) -> None:
        raise KeyboardInterrupt

    def build_far(asking: Callable[[str], None]) -> CorpusInfo:
        hands = Workers(Recipe(graph_version="g"), store, asking, waiting=lambda: 0)
        return build_corpus(
            files, tmp_path / "far" / "corpus", convert, graph_version="g",
            details={"withheld": 0}, workers=hands,
        )  # fmt: skip

    build(files, tmp_path / "near" / "corpus", convert, jobs=1)
    wanted = content(tmp_path / "near" / "corpus")
    assert build_far(ask).details["counts"][UNREAD] == 1
    assert content(tmp_path / "far" / "corpus") == wanted
    assert len(set(asked)) == 2 * len(files) < len(asked)
    shutil.rmtree(tmp_path / "far")
    build_far(stop)
    assert content(tmp_path / "far" / "corpus") == wanted

    files[0].write_text("no JSON")
    files = files[:1]
    with pytest.raises(BaliError, match=f"^{re.escape(str(files[0]))}.*line 1"):
        build_far(ask)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_folders_and_zips_of_notes(convert: LinkNames, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    (notes / "ward").mkdir(parents=True)
    (notes / "ward" / "a.txt").write_text("Asthma.\n\nRenal failure.")
    (notes / "a.txt").write_bytes(b"Asthma, \xe9t\xe9.")
    (notes / "b.txt").write_text("Renal failure.")
    (notes / "b.ann").write_text("")
    (notes / "zero.txt").write_bytes(b"")
    (notes / "photo.txt").write_bytes(b"\x89PNG\0\r\n\0\0")
    (notes / "README.md").write_text("Asthma.")
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        for path in notes.rglob("*.*"):
            archive.write(path, path.relative_to(notes))
    for source in (notes, tmp_path / "notes.zip"):
        info = build([source], tmp_path / "corpus", convert, jobs=1)
        documents = [s.document for s in read_sentences(tmp_path / "corpus")]
        assert documents == ["b.txt", "ward/a.txt", "ward/a.txt"]
        assert info.details["counts"][UNREAD] == 2
        assert info.details["counts"]["empty documents"] == 1
        assert "a.txt, line 1, byte 9: not UTF-8 (0xe9)" in info.details["faults"][0]
        assert "photo.txt, line 1, byte 1: not UTF-8, nor any text" in info.details["faults"][1]


def test_marks_of_an_unknown_format_beside_a_text_are_told(
    convert: LinkNames, tmp_path: Path
) -> None:
    for name in ("txt/a.txt", "concept/a.con", "concept/b.con", "txt/a.pdf", "ast/a.ast"):
        (tmp_path / "ward" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ward" / name).write_text("Asthma.")
    info = build([tmp_path / "ward"], tmp_path / "corpus", convert, jobs=1)
    first, second = info.details["faults"]
    assert "ast/a.ast: marks of an unknown format ('.ast')" in first
    assert "concept/a.con: marks of an unknown format ('.con')" in second
    text = tmp_path / "ward" / "txt" / "a.txt"
    assert not build([text], tmp_path / "one", convert, jobs=1).details["faults"]
    text.with_suffix(".con").touch()
    with pytest.raises(BaliError, match=r"a\.con: marks of an unknown format"):
        find_inputs([text], tmp_path, None)


def test_one_id_of_several_texts_becomes_several(convert: LinkNames, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    texts = ("Asthma.", "Renal failure.", "Asthma.")
    path.write_text("\n".join(json.dumps({"id": 7, "text": text}) for text in texts))
    info = build([path], tmp_path / "corpus", convert, jobs=1)
    assert [s.document for s in read_sentences(tmp_path / "corpus")] == ["7", "7#2"]
    assert info.details["counts"]["documents that share an id with another"] == 1


def test_strict_reading_and_nothing_to_read(convert: LinkNames, tmp_path: Path) -> None:
    path, corpus = tmp_path / "a.jsonl", tmp_path / "corpus"
    path.write_text('{"text": "Asthma."}\n{"text": 7}\n')
    strict = Reading(strict=True)
    with pytest.raises(BaliError, match=r"a\.jsonl, line 2: not a document"):
        build_corpus([path], corpus, convert, graph_version="g", details={}, reading=strict)
    for content, problem in (("", "no document"), ('{"text": ""}', "1 empty"), ("[7]", "line 1")):
        path.write_text(content)
        with pytest.raises(BaliError, match=problem):
            build([path], corpus, convert, jobs=1)
    path.write_bytes('{"text": "Asthma."}'.encode("utf-16"))
    wide = Reading("utf-16")
    build_corpus([path], corpus, convert, graph_version="g", details={}, reading=wide)
    assert [s.text for s in read_sentences(corpus)] == ["Asthma."]


@dataclass(frozen=True)
class Fragile:
    """Fails on a document, as long as a file is there; notes what it is given."""

    stop: Path
    log: Path

    def __call__(self, documents: Iterable[Document], notes: Notes) -> Iterator[Sentence]:
        for document in documents:
            if document.id == "c0" and self.stop.exists():
                raise BaliError("stopped")
            with self.log.open("a") as log:
                log.write(document.id)
            notes.counts["seen"] += 1
            yield Sentence(document.id, 0, document.text, ())


def test_a_stopped_import_goes_on(files: list[Path], tmp_path: Path) -> None:
    convert = Fragile(tmp_path / "stop", tmp_path / "log")
    convert.stop.touch()
    with pytest.raises(BaliError, match="stopped"):
        build(files, tmp_path / "corpus", convert, jobs=1)
    assert not (tmp_path / "corpus").exists()
    convert.stop.unlink()
    info = build(files, tmp_path / "corpus", convert, jobs=1)
    assert convert.log.read_text() == "a0a1b0c0"
    assert (info.sentences, info.details["counts"]["seen"]) == (4, 4)


@dataclass(frozen=True)
class Killed(Fragile):
    """Sends its own process a signal amid the documents, as long as a file is there."""

    sent: Signals

    def __call__(self, documents: Iterable[Document], notes: Notes) -> Iterator[Sentence]:
        for document in documents:
            if document.id == "150.txt" and self.stop.exists():
                # A shell that starts the tests in the background has Ctrl-C ignored.
                signal(Signals.SIGINT, default_int_handler)
                os.kill(os.getpid(), self.sent)
            with self.log.open("a") as log:
                log.write(f"{document.id} ")
            yield Sentence(document.id, 0, document.text, ())


@pytest.mark.parametrize(("sent", "code"), [(Signals.SIGKILL, -9), (Signals.SIGINT, 1)])
def test_many_files_go_on_where_a_process_ended(sent: Signals, code: int, tmp_path: Path) -> None:
    folder, names = tmp_path / "notes", [f"{number:03d}.txt" for number in range(300)]
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"Note {name}")
    convert = Killed(tmp_path / "stop", tmp_path / "log", sent)
    convert.stop.touch()
    process = get_context("spawn").Process(
        target=build, args=([folder], tmp_path / "corpus", convert, 1)
    )
    process.start()
    process.join()
    assert process.exitcode == code
    assert not (tmp_path / "corpus").exists()
    convert.stop.unlink()
    assert build([folder], tmp_path / "corpus", convert, jobs=1).sentences == 300
    assert convert.log.read_text().split() == names


def test_a_changed_file_starts_over(files: list[Path], tmp_path: Path) -> None:
    convert = Fragile(tmp_path / "stop", tmp_path / "log")
    convert.stop.touch()
    with pytest.raises(BaliError, match="stopped"):
        build(files, tmp_path / "corpus", convert, jobs=1)
    convert.stop.unlink()
    write(tmp_path, "a", "Other.")
    build(files, tmp_path / "corpus", convert, jobs=1)
    assert convert.log.read_text() == "a0a1b0" + "a0b0c0"


def test_broken_files_stop_no_others(convert: LinkNames, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    good = write(folder, "good", "Asthma.", "Renal failure.").read_bytes()
    whole = gzip.compress(good)
    (folder / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "cut.txt.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "no.csv").write_text("x")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("good.jsonl", good.replace(b"good", b"zipped"))
    packed = (folder / "more.zip").read_bytes()
    (folder / "cut.ZIP").write_bytes(packed[:-30])
    info = build([folder], tmp_path / "corpus", convert, jobs=1)
    documents = [s.document for s in read_sentences(tmp_path / "corpus")]
    assert documents == ["good0", "good1", "zipped0", "zipped1"]
    assert info.details["counts"][UNREAD] == 5
    told = sorted(line.split(":")[0].rpartition("/")[2] for line in info.details["faults"])
    assert told == ["cut.ZIP is neither a folder nor a whole zip", "cut.jsonl.gz", "cut.txt.gz",
                    "latin.txt, line 1, byte 4", "no.csv"]  # fmt: skip
    for name in ("cut.jsonl.gz", "cut.ZIP"):
        with pytest.raises(BaliError, match=name):
            build([folder / name], tmp_path / "none", convert, jobs=1)
        assert not list(tmp_path.glob("*none*"))
    strict = Reading(strict=True)
    with pytest.raises(BaliError, match=r"cut\."):
        build_corpus([folder], tmp_path / "none", convert, graph_version="g", details={},
                     reading=strict)  # fmt: skip
    assert not (tmp_path / "none").exists()


def test_errors_of_workers_arrive(files: list[Path], tmp_path: Path) -> None:
    convert = Fragile(tmp_path / "stop", tmp_path / "log")
    convert.stop.touch()
    with pytest.raises(BaliError, match="stopped"):
        build(files, tmp_path / "corpus", convert, jobs=2)
    with pytest.raises(BaliError, match=r"a\.docx: unknown format"):
        (tmp_path / "a.docx").touch()
        build([files[0], tmp_path / "a.docx"], tmp_path / "corpus", convert, jobs=1)
    with pytest.raises(BaliError, match=r"cannot read .*gone"):
        build([tmp_path / "gone.txt"], tmp_path / "corpus", convert, jobs=1)
