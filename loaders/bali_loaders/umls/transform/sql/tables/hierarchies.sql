-- Steps up the sources' hierarchies, atom to atom (MRHIER). A source that states a step in several
-- contexts, or with several codes, makes one edge.
CREATE TABLE judged_step AS
SELECT
    child.rowid AS child,
    parent.rowid AS parent,
    mrhier.SAB AS sab,
    RELA AS rela,
    HCD AS code,
    CASE
        WHEN mrhier.AUI IS NULL OR mrhier.SAB IS NULL THEN 'incomplete'
        WHEN PAUI IS NULL THEN 'top of its hierarchy'
        WHEN NOT wanted_source(mrhier.SAB) THEN 'source'
        WHEN NOT wanted_licence(source.licence) THEN 'licence'
        WHEN child.aui IS NULL OR parent.aui IS NULL THEN 'atom not loaded'
        ELSE 'kept'
    END AS verdict
FROM mrhier
LEFT JOIN atom AS child ON child.aui = mrhier.AUI
LEFT JOIN atom AS parent ON parent.aui = mrhier.PAUI
LEFT JOIN source ON source.sab = mrhier.SAB;

CREATE TABLE step AS
SELECT
    child, parent, sab, rela,
    list_sort(list(DISTINCT code) FILTER (code IS NOT NULL)) AS codes,
    count(*) AS contexts
FROM judged_step WHERE verdict = 'kept' GROUP BY child, parent, sab, rela;

INSERT INTO accounting
SELECT 'MRHIER', verdict, count(*) FROM judged_step WHERE verdict <> 'kept' GROUP BY verdict
UNION ALL SELECT 'MRHIER', 'kept', count(*) FROM step
UNION ALL SELECT 'MRHIER', 'merged', coalesce(sum(contexts) - count(*), 0) FROM step;
