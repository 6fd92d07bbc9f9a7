"""Mentions as questions: encodings, subsets, shared names, and overlap with training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.text.corpus import Mention, Sentence, write_corpus
from bali_trainers.evaluation import (
    MentionTask,
    Scored,
    build_mention_task,
    evaluate_mentions,
    lowered,
    nearest_names,
    overlapping_documents,
    read_names,
    report,
    require_apart,
)
from bali_trainers.inference.embedding import NameEncoder, Spans

TEXT = "w3 w4 and w90 w91 and W3 w4"
MENTIONS = (
    Mention(0, 5, "C03"),
    Mention(10, 17, "C05"),
    Mention(22, 27, "C03"),
    Mention(18, 21, "C999"),
)


@pytest.fixture
def words() -> list[tuple[str, tuple[str, ...]]]:
    return [(f"C{i:02}", tuple(f"w{i} w{j}" for j in range(i, i + 8))) for i in range(40)]


def write(folder: Path, sentences: Sequence[Sentence]) -> Path:
    write_corpus(folder, sentences, name="gold", graph_version="g")
    return folder


@pytest.fixture
def task(words: list[tuple[str, tuple[str, ...]]], tmp_path: Path) -> MentionTask:
    sentences = [
        Sentence("d1", 0, TEXT, MENTIONS),
        Sentence("d2", 0, "no mention", ()),
        Sentence("d3", 0, TEXT, (Mention(0, 5, "C03"), Mention(0, 5, "C07"))),
    ]
    return build_mention_task(read_names(words), write(tmp_path / "c", sentences))


def test_questions_are_spans_with_all_their_concepts(task: MentionTask) -> None:
    assert task.names == ("w3 w4", "w90 w91", "W3 w4", "w3 w4")
    assert task.gold == ((3,), (5,), (3,), (3, 7))
    assert task.document.tolist() == [0, 0, 0, 1]
    assert task.subsets["all"].tolist() == [True] * 4
    assert task.subsets["unmatched"].tolist() == [False, True, False, False]
    assert task.subsets["open"].tolist() == [False, True, False, False]
    assert task.subsets["refined"].tolist() == [True, True, False, True]
    assert task.unknown == 1


def test_an_abbreviation_is_called_by_the_long_form_that_its_document_defines(
    tiny_model: Callable[..., Path], words: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    defined = "warm water (WW) and so on"
    sentences = [
        Sentence("d1", 0, "WW it is", (Mention(0, 2, "C03"),)),
        Sentence("d1", 1, defined, (Mention(0, 10, "C03"), Mention(12, 14, "C03"))),
        Sentence("d2", 0, "WW it is", (Mention(0, 2, "C03"),)),
    ]
    known = read_names([*words, ("C40", ("warm water",)), ("C41", ("ww",))])
    task = build_mention_task(known, write(tmp_path / "c", sentences))
    assert task.names == ("warm water", "warm water", "warm water", "WW")
    assert task.spans.sentences == ("warm water (WW). WW it is", defined, "WW it is")
    spans = zip(task.spans.row, task.spans.start, task.spans.end, strict=True)
    assert [(row, task.spans.sentences[row][start:end], start) for row, start, end in spans] == [
        (0, "WW", 17),
        (1, "warm water", 0),
        (1, "WW", 12),
        (2, "WW", 0),
    ]
    assert task.document.tolist() == [0, 0, 0, 1]
    subsets = task.subsets
    assert subsets["unmatched"].tolist() == [True] * 4
    assert subsets["open"].tolist() == [False] * 4
    ((name,),) = evaluate_mentions(str(tiny_model()), [task])
    assert len(set(name.scores["mrr"][:3].tolist())) == 1


def test_surface_forms_that_training_saw_are_not_refined(
    words: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    train = write(tmp_path / "t", [Sentence("t1", 0, "the W90 W91", (Mention(4, 11, "C01"),))])
    test = write(tmp_path / "c", [Sentence("d1", 0, TEXT, MENTIONS)])
    task = build_mention_task(read_names(words), test, training=[train])
    assert task.subsets["refined"].tolist() == [True, False, False]
    assert task.subsets["seen"].tolist() == [False, True, False]
    assert task.subsets["unseen"].tolist() == [True, False, True]


def test_concepts_are_unseen_or_rare_by_how_often_training_mentions_them(
    words: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    mention = Mention(0, 2, "C05")
    for times, rare in ((5, True), (6, False)):
        sentences = [Sentence(f"t{n}", 0, "w1", (mention,)) for n in range(times)]
        train = write(tmp_path / f"t{times}", sentences)
        test = write(tmp_path / "c", [Sentence("d1", 0, TEXT, MENTIONS)])
        task = build_mention_task(read_names(words), test, training=[train])
        assert task.subsets["unseen concept"].tolist() == [True, False, True]
        assert task.subsets["rare"].tolist() == [False, rare, False]


def test_published_benchmarks_read_lower_case_and_no_long_forms(
    words: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    known = read_names(lowered([*words, ("C40", ("Warm", "warm", "WW"))]))
    assert known.table.names[-2:] == ("warm", "ww")
    sentence = Sentence("d1", 0, "Warm water (WW)", (Mention(12, 14, "C40"),))
    task = build_mention_task(known, write(tmp_path / "c", [sentence]), published=True)
    assert task.names == ("ww",)


def test_macro_averages_are_over_concepts(task: MentionTask) -> None:
    right = np.array([1.0, 0, 1, 0])  # of concepts 3, 5, 3, and of both 3 and 7
    outcome = Scored(model="m", scores={"acc@1": right})
    better = Scored(model="n", scores={"acc@1": np.ones(4)})
    found = report(task, [outcome, better]).sections["all"]
    assert found.models["m"]["acc@1"].value == pytest.approx(1 / 2)
    assert found.models["m"]["acc@1 macro"].value == pytest.approx(1 / 3)
    assert found.differences["n"]["acc@1 macro"].value == pytest.approx(2 / 3)


def test_models_are_reported_by_subset_and_compared(
    tiny_model: Callable[..., Path], task: MentionTask
) -> None:
    encodings = ("name", "context", "mixed")
    (base,) = evaluate_mentions(str(tiny_model()), [task], encodings)
    (wide,) = evaluate_mentions(str(tiny_model(hidden_size=32)), [task], encodings)
    assert [outcome.view for outcome in base] == list(encodings)
    by_name = base[0].scores["acc@1"]
    assert by_name[[0, 2, 3]].tolist() == [1, 1, 1]
    found = report(task, [*base, *wide], graph_version="g", training=["t"])
    assert found.facts["subsets"] == {"all": 4, "unmatched": 1, "open": 1, "refined": 3}
    assert (found.facts["mentions"], found.facts["unknown"]) == (4, 1)
    shown = {subset: section.models[base[0].label] for subset, section in found.sections.items()}
    assert shown["all"]["acc@1"].value == pytest.approx(by_name.mean())
    assert shown["unmatched"]["acc@1"].value == by_name[1]
    assert shown["refined"]["acc@1"].value == pytest.approx(by_name[[0, 1, 3]].mean())
    gains = found.sections["all"].differences
    assert list(gains) == [outcome.label for outcome in wide]
    gain = gains[wide[1].label]["mrr"].value
    assert gain == pytest.approx((wide[1].scores["mrr"] - base[1].scores["mrr"]).mean())
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_context_is_the_mean_of_the_mentions_tokens(tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model()
    sentences = ("w1 w2 w3 w4", "w5", "w6 w7")
    spans = Spans(sentences, np.array([2, 0, 0]), np.array([0, 3, 0]), np.array([2, 8, 11]))
    vectors = NameEncoder(str(folder)).encode_in_context(spans)
    model, tokenizer = (
        AutoModel.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    for vector, (row, tokens) in zip(
        vectors, [(2, [1]), (0, [2, 3]), (0, [1, 2, 3, 4])], strict=True
    ):
        with torch.no_grad():
            inputs = tokenizer(sentences[row], return_tensors="pt")
            mean = model(**inputs).last_hidden_state[0, tokens].mean(0).numpy()
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=2e-6)


def test_mentions_beyond_the_length_of_a_sentence_are_encoded_alone(
    tiny_model: Callable[..., Path], words: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    text = "w1 " * 130 + "w3 w4"
    sentence = Sentence("d", 0, text, (Mention(390, 395, "C03"), Mention(0, 2, "C01")))
    task = build_mention_task(read_names(words), write(tmp_path / "c", [sentence]))
    model = str(tiny_model(max_position_embeddings=128))
    ((name, context, mixed),) = evaluate_mentions(model, [task], ("name", "context", "mixed"))
    assert [outcome.notes["cut"] for outcome in (name, context, mixed)] == [0, 1, 1]
    for metric in name.scores:
        assert context.scores[metric][1] == name.scores[metric][1]


def test_a_shared_name_means_the_concept_with_most_names_or_that_ranks_it_highest(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    names = [
        ("C01", ("w1", "w9")),
        ("C02", ("w9", "w2")),
        ("C03", ("w3", "w4", "w9")),
        ("C04", ("w9",)),
    ]
    mentions = [Mention(0, 2, cui) for cui, _ in names]
    sentences = [Sentence(f"d{i}", 0, "w9", (m,)) for i, m in enumerate(mentions)]
    task = build_mention_task(read_names(names), write(tmp_path / "c", sentences))
    ((outcome,),) = evaluate_mentions(str(tiny_model()), [task])
    assert outcome.scores["mrr"].tolist() == pytest.approx([1 / 3, 1 / 2, 1, 1 / 4])
    assert outcome.scores["acc@1 expected"].tolist() == [0.25] * 4


def test_several_corpora_are_as_good_as_one_after_the_other(
    tiny_model: Callable[..., Path],
    words: list[tuple[str, tuple[str, ...]]],
    task: MentionTask,
    tmp_path: Path,
) -> None:
    other = write(tmp_path / "o", [Sentence("x", 0, "w9 w12", (Mention(0, 6, "C09"),))])
    tasks = [task, build_mention_task(read_names(words), other)]
    encodings = ("mixed", "name")
    both = evaluate_mentions(str(tiny_model()), tasks, encodings)
    alone = [found for t in tasks for found in evaluate_mentions(str(tiny_model()), [t], encodings)]
    assert [[o.view for o in found] for found in both] == [[*encodings]] * 2
    for together, by_itself in zip(both, alone, strict=True):
        for one, same in zip(together, by_itself, strict=True):
            np.testing.assert_array_equal(one.scores["mrr"], same.scores["mrr"])


def test_some_documents_are_chosen_whole_and_always_the_same(
    words: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    sentences = [
        Sentence(f"d{n}", place, f"w{n} w{place}", (Mention(0, 2, f"C0{n}"),))
        for place in range(3)
        for n in range(1, 9)
    ]
    corpus = write(tmp_path / "c", sentences)
    few, more = (build_mention_task(read_names(words), corpus, documents=n) for n in (2, 5))
    assert (few.document.max() + 1, more.document.max() + 1) == (2, 5)
    assert (len(few.gold), len(more.gold)) == (6, 15)
    assert set(few.spans.sentences) < set(more.spans.sentences)
    assert few.document.tolist() == [0, 1] * 3


def test_letters_alone_find_names_that_look_alike(tmp_path: Path) -> None:
    names = [
        ("C01", ("renal failure", "kidney failure")),
        ("C02", ("heart failure",)),
        ("C03", ("Renal Failure", "RF")),
    ]
    texts = {"renal failures": "C01", "Kidney failure": "C01", "hart failure": "C02", "rf": "C03"}
    sentences = [
        Sentence(text, 0, text, (Mention(0, len(text), cui),)) for text, cui in texts.items()
    ]
    task = build_mention_task(read_names(names), write(tmp_path / "c", sentences))
    ((outcome,),) = evaluate_mentions("tf-idf", [task])
    assert outcome.scores["acc@1"].tolist() == [1, 1, 1, 1]
    assert outcome.scores["acc@1 expected"].tolist() == [0.5, 1, 1, 1], "a name that two share"
    with pytest.raises(UsageError, match="reads no context"):
        evaluate_mentions("tf-idf", [task], ("context",))


def test_a_corpus_of_another_graph_is_refused(
    words: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    corpus = write(tmp_path / "c", [Sentence("d1", 0, "w3", (Mention(0, 2, "C999"),))])
    with pytest.raises(BaliError, match="mentions no concept of this graph"):
        build_mention_task(read_names(words), corpus)


LONG = [f"Sentence {i} is long enough to be recognised, wherever it is." for i in "abcdefgh"]


def document(name: str, *texts: str) -> list[Sentence]:
    return [Sentence(name, number, text, ()) for number, text in enumerate(texts)]


def test_documents_of_training_are_refused_unless_forced(tmp_path: Path) -> None:
    training = [
        write(tmp_path / "one", [*document("12345678", "Short."), *document("7", LONG[0])]),
        write(tmp_path / "two", document("x", LONG[1], LONG[2])),
    ]
    test = write(
        tmp_path / "c",
        [
            *document("12345678", *LONG[3:5]),  # the same id of PubMed
            *document("7", *LONG[3:5]),  # the same number by chance
            *document("a", *LONG[3:6], LONG[1].upper().replace(",", " ,")),
            *document("b", *LONG[3:8], LONG[1]),  # one sentence in six
            *document("c", "Short."),
        ],
    )
    assert overlapping_documents(test, training) == ["12345678", "a"]
    with pytest.raises(BaliError, match=r"2 documents of .*, such as 12345678, are also in"):
        require_apart(test, training)
    assert require_apart(test, training, force=True) == 2
    assert require_apart(test, []) == 0


def test_the_nearest_of_all_names_is_as_the_vectors_say(
    tiny_model: Callable[..., Path], words: list[tuple[str, tuple[str, ...]]]
) -> None:
    model = str(tiny_model())
    names = [name for _, own in words for name in own]
    known, further = names[:200], names[200:]
    places = [(0, 5), (10, 17), (22, 27)]
    found = nearest_names(model, known, further, TEXT, places)

    start, end = np.array(places).T
    encoder = NameEncoder(model)
    asked = encoder.encode_in_context(Spans((TEXT,), np.zeros_like(start), start, end))
    vectors = encoder.encode(names)
    score = np.array([[vectors.vectors[row] @ one for row in vectors.row] for one in asked])
    mine = [names.index(name) for name in found]
    assert score[np.arange(3), mine] == pytest.approx(score.max(axis=1), abs=1e-5)
    assert nearest_names(model, known, further, TEXT, []) == []
