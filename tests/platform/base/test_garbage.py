"""Rarer collections of garbage, for as long as somebody asks for them."""

import gc

from bali_platform.base.garbage import rare_collections


def test_the_threshold_is_back_once_the_last_has_left() -> None:
    before = gc.get_threshold()
    first, second = rare_collections(), rare_collections()
    with first:
        second.__enter__()
        assert gc.get_threshold()[0] >= 100_000
    assert gc.get_threshold()[0] >= 100_000
    second.__exit__(None, None, None)
    assert gc.get_threshold() == before
