SELECT
    rowid AS ":ID(Mapping)",
    MAPSETCUI AS "map_set",
    MAPSETSAB AS "sab",
    FROMEXPR AS "from",
    FROMTYPE AS "from_type",
    TOEXPR AS "to",
    TOTYPE AS "to_type",
    REL AS "rel",
    RELA AS "rela",
    MAPSUBSETID AS "group",
    try_cast(MAPRANK AS INTEGER) AS "rank:int",
    MAPRULE AS "rule",
    MAPRES AS "advice"
FROM mapping
