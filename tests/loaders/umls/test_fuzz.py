"""Damaged releases are refused in one line, or make a graph that is right."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.loaders.umls.damage import Damage, Described, damages, is_clean, recount, whole_release
from tests.loaders.umls.small import write_release

from bali_loaders.releases import Release
from bali_loaders.umls import PRESETS, Limits, LoadOptions, load
from bali_loaders.umls.online.batches import Batches
from bali_loaders.umls.transform import transform
from bali_loaders.umls.verification.comparison import compare_concept, compare_retired
from bali_loaders.umls.verification.verify import collect
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.services import GraphStores

EXAMPLES = int(os.environ.get("BALI_FUZZ", "10"))
VERSION = "0123456789abcdef"
ONE_THREAD = Limits(threads=1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("sound"), whole_release())


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.lists(damages(), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from([PRESETS["full"], PRESETS["browse"], LoadOptions(sources=("S1",))]),
)
def test_damage_is_refused_in_one_line_or_does_no_harm(
    sound: Path, harm: list[Damage], recounted: bool, options: LoadOptions
) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(shutil.copytree(sound, Path(place) / "2031AA"))
        for damage in harm:
            damage(path)
        if recounted:
            recount(path)
        try:
            problems = problems_of(path, Path(place) / "out", options)
        except BaliError as error:
            assert is_clean(error), error
        else:
            assert problems == []


@pytest.mark.services
def test_damage_that_does_no_harm_goes_through_the_import_tool(
    sound: Path, own_settings: Settings, tmp_path: Path
) -> None:
    path, borne = sound, 0
    for number, damage in enumerate(some_damages()):
        damaged = Path(shutil.copytree(path, tmp_path / str(number) / "2031AA"))
        damage(damaged)
        recount(damaged)
        try:
            assert problems_of(damaged, tmp_path / str(number) / "out", PRESETS["full"]) == []
        except BaliError:
            continue
        path, borne = damaged, borne + 1
    assert borne >= 3
    loaded = load(path, PRESETS["full"], own_settings)
    assert loaded.store == GraphStores(own_settings).live()


def some_damages() -> list[Damage]:
    """Draw damages, the same in each run; BALI_FUZZ says how many."""
    drawn: list[Damage] = []

    @settings(max_examples=EXAMPLES, database=None, derandomize=True, phases=[Phase.generate])
    @given(damages())
    def draw(damage: Damage) -> None:
        drawn.append(damage)

    draw()
    return drawn


def problems_of(path: Path, folder: Path, options: LoadOptions) -> list[str]:
    """Hold the import files of a release against every line of it."""
    with Release.open(path) as release:
        report = transform(release, options, folder, graph_version=VERSION, limits=ONE_THREAD)
        said = collect(release, report, sample=1000)
    with closing(Batches(folder, ONE_THREAD)) as batches:
        found = Described(batches)
    concepts = [
        p for one in said.concepts for p in compare_concept(one, found.concept(one.cui), VERSION)
    ]
    retired = [p for one in said.retired for p in compare_retired(one, found.retired(one.cui))]
    for problem in said.rows.problems:
        if "MRFILES.RRF says" in problem:
            raise BaliError(problem)  # as a load does, though for a file that it does not need
    return [*said.rows.problems, *concepts, *retired]
