-- Definitions of loaded concepts. A source's rank is that of its best term type in MRRANK.
CREATE TABLE judged_definition AS
SELECT
    concept.id AS concept, ATUI AS atui, mrdef.SAB AS sab, DEF AS text,
    CASE
        WHEN mrdef.CUI IS NULL OR ATUI IS NULL OR DEF IS NULL OR mrdef.SAB IS NULL THEN 'incomplete'
        WHEN NOT wanted_language(coalesce(source.language, (getvariable('languages')::VARCHAR[])[1]))
            THEN 'language'
        WHEN NOT wanted_source(mrdef.SAB) THEN 'source'
        WHEN NOT wanted_licence(source.licence) THEN 'licence'
        WHEN is_suppressed(mrdef.SUPPRESS) THEN 'suppressed'
        WHEN concept.cui IS NULL THEN 'unknown concept'
        WHEN concept.id IS NULL THEN 'concept not loaded'
        ELSE 'kept'
    END AS verdict
FROM mrdef
LEFT JOIN concept ON concept.cui = mrdef.CUI
LEFT JOIN source ON source.sab = mrdef.SAB;

CREATE TABLE definition AS
WITH ranking AS (
    SELECT SAB AS sab, max(try_cast(RANK AS INTEGER)) AS rank FROM mrrank GROUP BY SAB
)
SELECT DISTINCT ON (atui) concept, atui, sab, text, coalesce(rank, -1) AS rank
FROM judged_definition LEFT JOIN ranking USING (sab)
WHERE verdict = 'kept'
ORDER BY atui, concept, sab, text;

INSERT INTO accounting
SELECT 'MRDEF', verdict, count(*) FROM judged_definition WHERE verdict <> 'kept' GROUP BY verdict
UNION ALL SELECT 'MRDEF', 'kept', count(*) FROM definition
UNION ALL
SELECT 'MRDEF', 'merged', count(*) - (SELECT count(*) FROM definition)
FROM judged_definition WHERE verdict = 'kept';
