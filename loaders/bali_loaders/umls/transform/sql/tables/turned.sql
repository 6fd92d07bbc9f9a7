-- The statements that are kept as edges: CUI2 has the relation to CUI1, turned where the canonical
-- type is the inverse; a symmetric relation runs from the smaller concept to the larger. All in
-- numbers, as this table is read once for every slice of the facts; RELs and sources are numbered
-- in the order of their names.
SET VARIABLE rels = (
    SELECT list(rel ORDER BY rel)
    FROM (SELECT rel FROM relation UNION SELECT inverse_rel FROM relation)
);
SET VARIABLE sabs = (
    SELECT list(sab ORDER BY sab)
    FROM (SELECT DISTINCT sab FROM statement WHERE verdict = 'kept')
);

CREATE TABLE turned AS
WITH named AS (
    SELECT sab, list_position(getvariable('sabs'), sab)::USMALLINT AS number
    FROM (SELECT unnest(getvariable('sabs')) AS sab)
),
numbered AS (
    SELECT
        * EXCLUDE (rel, inverse_rel),
        rel,
        list_position(getvariable('rels'), rel)::USMALLINT AS number,
        list_position(getvariable('rels'), inverse_rel)::USMALLINT AS inverse_number
    FROM relation
)
SELECT
    CASE WHEN undirected THEN second > first ELSE inverted END AS turn,
    CASE WHEN turn THEN first ELSE second END AS source,
    CASE WHEN turn THEN second ELSE first END AS target,
    numbered.type,
    CASE WHEN turn THEN inverse_number ELSE numbered.number END AS rel,
    named.number AS sab
FROM statement
JOIN numbered ON numbered.rel = statement.rel AND numbered.rela = statement.rela
JOIN named ON named.sab = statement.sab
WHERE verdict = 'kept';

INSERT INTO accounting
SELECT 'MRREL', verdict, count(*) FROM statement WHERE verdict <> 'kept' GROUP BY verdict;

DROP TABLE statement;
