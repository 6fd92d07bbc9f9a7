"""Which code a job runs on: batches and weights are only the same where this is.

What counts is found by following the imports of the programs that train and of the tasks that build
batches, through every package of this distribution. Comments and docstrings do not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

_RESOURCES = ("*.cypher", "*.lua")
_PROGRAMS = ("bali.programs", "bali.tasks")


@cache
def code_version() -> str:
    """Return the version of the code that this process runs, like ``3f9a0c71``.

    It is what lay on disk when the process first asked.
    """
    return code_version_on_disk()


def code_version_on_disk() -> str:
    """Return the version that a process started now would run."""
    programs = [found.value for group in _PROGRAMS for found in entry_points(group=group)]
    return digest_of(recipe(programs))


def recipe(modules: Iterable[str]) -> dict[str, Path]:
    """Return the files that ``modules`` stand on: they, what they import, and its resources.

    Only modules of the top-level packages of ``modules`` are followed. A resource counts with the
    package below which it lies.
    """
    roots = {name.partition(".")[0]: _folder(name.partition(".")[0]) for name in modules}
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _file(roots, name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0], *_read(name, path, _stamp(path))[0]]
    packages = {path.parent for path in found.values() if path.name == "__init__.py"}
    resources = {each for folder in packages for kind in _RESOURCES for each in folder.rglob(kind)}
    return found | {f"{path.parent.name}/{path.name}": path for path in resources}


def digest_of(files: dict[str, Path]) -> str:
    """Return a digest of what files do: Python without comments and docstrings, the rest whole."""
    digest = blake2b(digest_size=4)
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0".encode() + _read(name, path, _stamp(path))[1])
    return digest.hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=4096)
def _read(name: str, path: Path, _: tuple[int, int]) -> tuple[tuple[str, ...], bytes]:
    """Return what a file imports, and a digest of what it does; workers ask every few seconds."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return (), blake2b(content).digest()
    tree = ast.parse(content)
    imports = tuple(_imports(name, path, tree))
    return imports, blake2b(_bare(tree).encode()).digest()


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"package {package} is not installed")
    return Path(spec.submodule_search_locations[0])


def _file(roots: dict[str, Path], module: str) -> Path | None:
    package, _, rest = module.partition(".")
    if package not in roots:
        return None
    path = roots[package].joinpath(*rest.split(".")) if rest else roots[package]
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((each for each in candidates if each.is_file()), None)


def _imports(module: str, path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports, wherever in it, as names of modules or of what is in them."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*parents, *filter(None, [node.module])])
            source = source if node.level else node.module or ""
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _bare(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and (ast.get_docstring(node, clean=False) is not None):
            node.body = node.body[1:]
    return ast.dump(tree)
