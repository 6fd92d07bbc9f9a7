"""Value sets that are kept: what they mean, and the codes that this was on some release."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bali_platform.base.errors import BaliError, NotFoundError, UsageError, did_you_mean
from bali_platform.base.files import write_atomically
from bali_platform.graph.records import Records
from bali_platform.terminology.records import Expansion, Member
from bali_platform.terminology.value_sets import ValueSets

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class SavedSet:
    """A value set, and its codes on the release that it was last expanded on."""

    name: str
    expression: str
    release: str
    graph_version: str
    members: Records[Member]


@dataclass(frozen=True, slots=True)
class SetChange:
    """What a new expansion adds to a saved one, takes from it, and calls by another name."""

    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    renamed: tuple[tuple[Member, Member], ...]


@dataclass(frozen=True, slots=True)
class SetUpdate:
    """What became of a saved value set between the release that it was kept on and the live one."""

    name: str
    expression: str
    old_release: str
    new_release: str
    change: SetChange


class SavedSets(Mapping[str, str]):
    """The value sets of a home: expressions by name."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "value-sets"

    def __getitem__(self, name: str) -> str:
        try:
            return self.read(name).expression
        except NotFoundError as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in self._folder.glob("*.json")))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def read(self, name: str) -> SavedSet:
        """Return a saved value set; raises :class:`NotFoundError` when there is none."""
        path = self._path(name)
        if not path.exists():
            hint = did_you_mean(name, self)
            raise NotFoundError(f"no saved value set '{name}'{hint}: see `bali values list`")
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            members = Records(Member(**member) for member in record.pop("members"))
            return SavedSet(**record, members=members)
        except (ValueError, TypeError, KeyError) as error:
            raise BaliError(f"{path}: not a saved value set: {error}") from error

    def save(self, name: str, expansion: Expansion) -> SavedSet:
        """Keep a whole expansion under a name, in place of what was there."""
        record = SavedSet(
            name,
            expansion.expression,
            expansion.release,
            expansion.graph_version,
            expansion.members,
        )
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(asdict(record), ensure_ascii=False, indent=1) + "\n")
        return record

    def update(self, name: str, terms: ValueSets, *, keep: bool) -> SetUpdate:
        """Expand a value set on the live release, and ``keep`` that; say what it changes."""
        old = self.read(name)
        new = terms.expand(old.expression, saved=self)
        if keep:
            self.save(name, new)
        return SetUpdate(name, old.expression, old.release, new.release, changes(old, new))

    def remove(self, name: str) -> None:
        """Forget a value set; raises :class:`NotFoundError` when there is none."""
        self.read(name)
        self._path(name).unlink()

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UsageError(f"value set '{name}': use letters, digits, '_', '.' and '-'")
        return self._folder / f"{name}.json"


def changes(old: SavedSet, new: Expansion) -> SetChange:
    """Compare the codes of a saved value set with what it means now."""
    before = {(member.source, member.code): member for member in old.members}
    now = {(member.source, member.code): member for member in new.members}
    both = ((before[pair], now[pair]) for pair in before.keys() & now.keys())
    return SetChange(
        tuple(now[pair] for pair in sorted(now.keys() - before.keys())),
        tuple(before[pair] for pair in sorted(before.keys() - now.keys())),
        tuple(sorted((a, b) for a, b in both if a.name != b.name)),
    )
