"""Which rows of a release the load options let in, by a second reading of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bali_loaders.umls.options import LoadOptions
from bali_loaders.umls.verification.lines import Row


@dataclass(frozen=True)
class Selection:
    """The load options and what MRSAB says of each source: its licence category and language."""

    options: LoadOptions
    licences: dict[str, str]
    languages: dict[str, str]

    @classmethod
    def of(cls, options: LoadOptions, sources: Iterable[Row]) -> Selection:
        """Take each source by its current row among the rows of MRSAB."""
        current = {row["RSAB"]: row for row in sorted(sources, key=_currency)}
        return cls(
            options,
            {sab: row["SRL"] for sab, row in current.items()},
            {sab: row["LAT"] for sab, row in current.items()},
        )

    def atom(self, row: Row) -> bool:
        """Tell whether a row of MRCONSO, suppressed or not, makes its concept one to load."""
        languages = self.options.languages
        whole = row["CUI"] and row["AUI"] and row["STR"] and row["SAB"]
        return bool(whole) and (not languages or row["LAT"] in languages) and self._source(row)

    def relation(self, row: Row) -> bool:
        """Tell whether a row of MRREL is loaded where its concepts are."""
        if not row["REL"] or not row["SAB"] or (row["REL"] == "SIB" and not self.options.siblings):
            return False
        return row["CUI1"] != row["CUI2"] and self._source(row) and not self.suppressed(row)

    def definition(self, row: Row) -> bool:
        """Tell whether a row of MRDEF is loaded where its concept is."""
        languages = self.options.languages
        language = self.languages.get(row["SAB"])
        foreign = language and languages and language not in languages
        whole = row["ATUI"] and row["SAB"] and row["DEF"]
        return bool(whole) and not foreign and self._source(row) and not self.suppressed(row)

    def suppressed(self, row: Row) -> bool:
        """Tell whether a row is suppressed content that is not asked for."""
        return row["SUPPRESS"] not in ("", "N") and not self.options.suppressible

    def _source(self, row: Row) -> bool:
        sources, licences = self.options.sources, self.options.licences
        licence = self.licences.get(row["SAB"], "")
        in_licence = not licences or (licence.isdigit() and int(licence) in licences)
        return (not sources or row["SAB"] in sources) and in_licence


def _currency(row: Row) -> tuple[bool, bool, str]:
    return row["CURVER"] == "Y", row["SABIN"] == "Y", row["VSAB"]
