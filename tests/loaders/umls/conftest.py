"""A home of its own whose live graph is the small release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import neo4j
import pytest
from tests.loaders.umls.small import small_release, write_release

from bali_loaders.umls import Loaded, LoadOptions, load
from bali_platform.base.settings import Settings
from bali_platform.services import GraphStores


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release"), small_release())


@pytest.fixture(scope="module")
def loaded(module_settings: Settings, release: Path) -> Loaded:
    return load(release, LoadOptions(), module_settings)


@pytest.fixture(scope="module")
def stores(module_settings: Settings, loaded: Loaded) -> GraphStores:
    stores = GraphStores(module_settings)
    stores.serve()
    return stores


@pytest.fixture(scope="module")
def graph(stores: GraphStores) -> Iterator[neo4j.Driver]:
    with stores.server().driver() as driver:
        yield driver
