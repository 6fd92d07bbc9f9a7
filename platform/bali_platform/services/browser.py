"""The Neo4j Browser of a server, with bali's style, guides and favourites in it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from importlib.resources import as_file, files
from pathlib import Path

from bali_platform.base.files import write_atomically

SETUP = '<script src="bali/data.js"></script><script src="bali/setup.js"></script>'


def install_browser(jar: Path, webroot: Path, bolt: int, http: int) -> None:
    """Unpack the Browser into ``webroot`` unless it is there, and put our part in ``bali/``.

    Style and favourites live in the user's own browser; a script of ours, which the Browser's page
    loads first, puts them there. Guides are plain pages that ``:play`` opens.
    """
    unpacked = webroot / jar.stem
    if not unpacked.exists():
        shutil.rmtree(webroot, ignore_errors=True)
        with zipfile.ZipFile(jar) as archive:
            archive.extractall(webroot)
        unpacked.touch()
    page = webroot / "browser" / "index.html"
    text = page.read_text(encoding="utf-8")
    if SETUP not in text:
        page.write_text(text.replace("<head>", f"<head>{SETUP}", 1), encoding="utf-8")
    ours = webroot / "browser" / "bali"
    with as_file(files("bali_platform.graph") / "browser") as assets:
        shutil.copytree(assets, ours, dirs_exist_ok=True)
    for guide in ours.glob("*.html"):
        text = guide.read_text(encoding="utf-8")
        guide.write_text(text.replace("{base}", f"http://localhost:{http}/browser/bali"), "utf-8")
    style = parse_grass((ours / "style.grass").read_text(encoding="utf-8"))
    saved = favourites((ours / "favourites.cypher").read_text(encoding="utf-8"))
    content = {
        "style": style,
        "favourites": [
            {"id": f"bali-{index}", "folder": "bali", "content": text}
            for index, text in enumerate(saved)
        ],
    }
    stamp = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    data = {"stamp": stamp, "address": f"bolt://neo4j@localhost:{bolt}", **content}
    write_atomically(ours / "data.js", f"window.bali = {json.dumps(data)};\n")


def parse_grass(text: str) -> dict[str, dict[str, str]]:
    """Read a graph style sheet: properties by selector.

    >>> parse_grass('node.Gene { color: #3F8F5B; caption: "{name}"; }')
    {'node.Gene': {'color': '#3F8F5B', 'caption': '{name}'}}
    """
    rules = re.findall(r'([\w.]+)\s*\{((?:[^"}]|"[^"]*")*)\}', text)
    properties = r'([\w-]+):\s*("[^"]*"|[^;]*);'
    return {
        selector: {name: value.strip('"') for name, value in re.findall(properties, body)}
        for selector, body in rules
    }


def favourites(text: str) -> list[str]:
    r"""Split a file of statements that end in ``;``, each under a comment that is its title.

    >>> favourites("// One\nRETURN 1;\n\n// Two\nRETURN 2;\n")
    ['// One\nRETURN 1', '// Two\nRETURN 2']
    """
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", text) if part.strip()]
