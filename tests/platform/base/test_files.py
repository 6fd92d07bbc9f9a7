"""Files and folders appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file, new_folder, write_atomically, writing


def test_atomic_files_are_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_atomically(path, "old and long")
    write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_file_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomically(path, "old")
    with pytest.raises(RuntimeError), new_file(path) as building:
        building.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_one_left_is_replaced(tmp_path: Path) -> None:
    for name in (".file.building", ".folder.building/old"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("left by a crash", encoding="utf-8")
    write_atomically(tmp_path / "file", "new")
    with new_folder(tmp_path / "folder") as building:
        (building / "part").write_text("new", encoding="utf-8")
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert found == ["file", "folder", "folder/part"]


def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    for end_well in (True, False):
        try:
            with new_folder(folder) as building:
                (building / f"part-{end_well}").touch()
                if not end_well:
                    raise RuntimeError
        except RuntimeError:
            pass
    assert [path.name for path in folder.iterdir()] == ["part-True"]
    assert list(tmp_path.iterdir()) == [folder]


def test_names_without_a_folder_are_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomically(Path("here"), "text")
    assert (tmp_path / "here").exists()


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "below"
    with pytest.raises(BaliError, match=f"cannot write {target}: "), writing(target):
        write_atomically(target, "text")
