-- Every row of MRREL with what becomes of it. `first` and `second` are the concepts CUI1 and CUI2.
CREATE TYPE verdict AS ENUM (
    'kept', 'incomplete', 'self-loop', 'sibling', 'source', 'licence', 'suppressed',
    'unknown concept', 'concept not loaded'
);

CREATE TABLE statement AS
SELECT
    one.id AS first,
    two.id AS second,
    REL AS rel,
    coalesce(RELA, '') AS rela,
    mrrel.SAB AS sab,
    CASE
        WHEN CUI1 IS NULL OR CUI2 IS NULL OR REL IS NULL OR mrrel.SAB IS NULL THEN 'incomplete'
        WHEN CUI1 = CUI2 THEN 'self-loop'
        WHEN REL = 'SIB' AND NOT getvariable('siblings') THEN 'sibling'
        WHEN NOT wanted_source(mrrel.SAB) THEN 'source'
        WHEN NOT wanted_licence(source.licence) THEN 'licence'
        WHEN is_suppressed(SUPPRESS) THEN 'suppressed'
        WHEN one.cui IS NULL OR two.cui IS NULL THEN 'unknown concept'
        WHEN one.id IS NULL OR two.id IS NULL THEN 'concept not loaded'
        ELSE 'kept'
    END::verdict AS verdict
FROM mrrel
LEFT JOIN concept AS one ON one.cui = CUI1
LEFT JOIN concept AS two ON two.cui = CUI2
LEFT JOIN source ON source.sab = mrrel.SAB;
