"""Which code a job runs on: batches and weights are only the same where this is.

What counts is found by following the imports of the programs that train and of the tasks that build
batches, through every package of this distribution. Comments, docstrings and assertions do not
count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import CodeType

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))",
    re.MULTILINE,
)
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
    """Return a digest of what files do: Python by its compiled code, the rest whole."""
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
    imports = tuple(_imports(name, path, content.decode()))
    code = compile(content, name, "exec", dont_inherit=True, optimize=2)
    return imports, blake2b(repr(_actions(code)).encode()).digest()


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


def _imports(module: str, path: Path, source: str) -> Iterator[str]:
    """Yield what a module imports, wherever in it, as names of modules or of what is in them.

    Some names may be others (an alias, a word of a text): where no module has it, nothing follows.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for dots, name, parts, plain in _IMPORT.findall(source):
        yield from re.findall(r"[\w.]+", plain)
        parents = package.split(".")[: len(package.split(".")) - len(dots) + 1] if dots else []
        base = ".".join([*parents, name] if name else parents)
        yield base
        yield from (f"{base}.{part}" for part in re.findall(r"\w+", parts))


def _actions(code: CodeType) -> tuple[object, ...]:
    """Return what code does, without the lines that it stands on."""
    return (
        (code.co_name, code.co_flags, code.co_code, code.co_exceptiontable),
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        [_actions(each) if isinstance(each, CodeType) else _value(each) for each in code.co_consts],
    )


def _value(constant: object) -> object:
    """Return a constant that is shown the same in every process."""
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
