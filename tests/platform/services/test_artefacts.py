"""What is put into a store by one machine, and fetched by another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest

from bali_platform.base.errors import UsageError
from bali_platform.base.settings import Settings, load_settings
from bali_platform.services.artefacts import (
    Artefacts,
    NotInStoreError,
    StoreError,
    fetched,
    files_of,
    here,
    shared,
)

HOLD = """
import sys
from pathlib import Path
from bali_platform.base.settings import Settings
from bali_platform.services.artefacts import fetched
fetched(sys.argv[3], Settings(home=Path(sys.argv[1]), store=sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""
UPLOAD = """
import sys
from pathlib import Path
from bali_platform.services.artefacts import Artefacts, files_of
Artefacts(sys.argv[1]).put("models/large", files_of(Path(sys.argv[2])))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "weights").write_bytes(os.urandom(100_000))
    (folder / "inner" / "empty").touch()
    (folder / ".hidden").write_text("no part of it")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files_of(folder).items()}


def objects(store_url: str) -> list[str]:
    fs, root = fsspec.url_to_fs(store_url, use_listings_cache=False)
    fs.invalidate_cache()
    return [path for path in fs.find(root) if "/objects/" in path]


def test_another_machine_gets_what_was_put(store_url: str, model: Path, tmp_path: Path) -> None:
    assert Artefacts(store_url).names("models") == []
    Artefacts(store_url).put("models/one", files_of(model))
    Artefacts(store_url).get("models/one", tmp_path / "copy")
    assert content(tmp_path / "copy") == content(model)
    assert set(content(model)) == {"weights", "inner/empty"}
    assert Artefacts(store_url).names("models") == ["models/one"]
    with pytest.raises(NotInStoreError, match="holds no models/two"):
        Artefacts(store_url).get("models/two", tmp_path / "two")


def test_files_that_names_share_stay_until_the_last_goes(store_url: str, model: Path) -> None:
    store = Artefacts(store_url)
    store.put("run/1", files_of(model))
    (model / "weights").write_bytes(b"others")
    store.put("run/2", files_of(model))
    assert len(objects(store_url)) == 3
    store.drop("run/1", kept=["run/2"])
    assert (len(objects(store_url)), store.names("run")) == (2, ["run/2"])
    store.drop("run/2", kept=[])
    assert (objects(store_url), store.names("run")) == ([], [])


def test_what_was_damaged_is_not_taken(store_url: str, model: Path, tmp_path: Path) -> None:
    Artefacts(store_url).put("models/one", files_of(model))
    fs, _ = fsspec.url_to_fs(store_url)
    [damaged] = [path for path in objects(store_url) if fs.info(path)["size"]]
    fs.pipe_file(damaged, b"\0" * 100_000)
    with pytest.raises(NotInStoreError, match="not what was written"):
        Artefacts(store_url).get("models/one", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    fs.pipe_file(damaged, b"half")  # another size: the next upload writes it anew
    Artefacts(store_url).put("models/again", files_of(model))
    Artefacts(store_url).get("models/one", tmp_path / "copy")
    assert content(tmp_path / "copy") == content(model)
    fs.rm_file(damaged)
    with pytest.raises(NotInStoreError, match="lacks a file of models/one"):
        Artefacts(store_url).get("models/one", tmp_path / "other")


@pytest.mark.parametrize("path", ["../out", "/out", "a/../../out", ""])
def test_a_list_cannot_name_files_outside(path: str, tmp_path: Path) -> None:
    store = Artefacts(str(tmp_path / "store"))
    (tmp_path / "evil").write_text("x")
    store.put("models/evil", {path: tmp_path / "evil"})
    with pytest.raises(NotInStoreError, match="names a file outside"):
        store.get("models/evil", tmp_path / "copy")


def test_half_an_upload_is_never_seen(s3: str, tmp_path: Path) -> None:
    store_url, folder = f"{s3}/half", tmp_path / "model"
    folder.mkdir()
    (folder / "config").write_text("{}")
    (folder / "weights").write_bytes(os.urandom(20 << 20))
    with subprocess.Popen([sys.executable, "-c", UPLOAD, store_url, str(folder)]) as uploading:
        while not objects(store_url):
            assert uploading.poll() is None
            time.sleep(0.01)
        uploading.kill()
    assert not Artefacts(store_url).has("models/large")
    Artefacts(store_url).put("models/large", files_of(folder))
    Artefacts(store_url).get("models/large", tmp_path / "copy")
    assert content(tmp_path / "copy") == content(folder)


def test_what_is_fetched_stays_within_bounds_but_not_below_a_user(
    model: Path, tmp_path: Path
) -> None:
    store_url = str(tmp_path / "store")
    settings = Settings(home=tmp_path / "home", store=store_url, store_cache_gb=250_000 / 2**30)
    for number in range(4):
        (model / "weights").write_bytes(bytes([number]) * 100_000)
        Artefacts(store_url).put(f"models/{number}", files_of(model))
    kept = settings.home / "cache" / "store"

    def hold(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", HOLD, str(settings.home), store_url, name]
        user = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert user.stdout is not None
        assert user.stdout.readline() == b"held\n"
        return user

    with hold("models/0") as user:
        with hold("models/1") as other:
            other.communicate()
        fetched("models/2", settings)
        assert {path.name for path in kept.glob("m*")} == {"models-0", "models-2"}
        user.communicate()
    fetched("models/3", settings)
    assert {path.name for path in kept.glob("m*")} == {"models-2", "models-3"}
    fetched("models/0", settings)  # both others are used by this process
    assert len(list(kept.glob("m*"))) == 3


def test_a_model_keeps_its_name_and_is_uploaded_once(model: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", store=str(tmp_path / "store"))
    store = Artefacts(str(tmp_path / "store"))
    named = shared(store, "models", model)
    assert named == shared(store, "models", model)
    assert Path(here(named, settings)).name == "model"
    assert content(Path(here(named, settings))) == content(model)
    file = shared(store, "recordings", model / "weights")
    assert Path(here(file, settings)).read_bytes() == (model / "weights").read_bytes()
    assert here("minilm", settings) == "minilm"
    with pytest.raises(UsageError, match="set BALI_STORE"):
        here(named, Settings(home=tmp_path / "home"))


def test_a_store_that_cannot_be_used_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="BALI_STORE = nonsense://x"):
        Artefacts("nonsense://x")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="fails"):
        Artefacts(f"{tmp_path}/file/in").put("a/b", {"file": tmp_path / "file"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BALI_STORE", "shared")
    assert load_settings().store == str(tmp_path / "shared"), "the same from any other folder"
