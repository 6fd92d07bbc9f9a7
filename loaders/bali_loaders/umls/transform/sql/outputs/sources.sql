-- The sources that the options ask for, and any that MRSAB does not know, with what was loaded.
WITH named AS (
    SELECT sab, sum(names)::BIGINT AS atoms, count(*) AS concepts
    FROM (SELECT sab, concept, count(*) AS names FROM atom GROUP BY sab, concept)
    GROUP BY sab
),
related AS (
    SELECT sab, count(*) AS facts FROM (SELECT unnest(sabs) AS sab FROM fact) GROUP BY sab
),
described AS (SELECT sab, count(*) AS definitions FROM definition GROUP BY sab),
known AS (
    SELECT sab FROM source WHERE wanted_source(sab) AND wanted_licence(licence)
    UNION SELECT sab FROM named UNION SELECT sab FROM related UNION SELECT sab FROM described
)
SELECT
    row_number() OVER (ORDER BY sab) AS ":ID(Source)",
    sab AS "sab",
    source.name AS "name",
    version AS "version",
    licence AS "licence_category:int",
    language AS "language",
    coalesce(atoms, 0) AS "atoms:long",
    coalesce(concepts, 0) AS "concepts:long",
    coalesce(facts, 0) AS "facts:long",
    coalesce(definitions, 0) AS "definitions:long"
FROM known
LEFT JOIN source USING (sab)
LEFT JOIN named USING (sab)
LEFT JOIN related USING (sab)
LEFT JOIN described USING (sab)
