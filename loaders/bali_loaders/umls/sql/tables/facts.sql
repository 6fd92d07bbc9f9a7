-- One row a fact between concepts `first` <= id < `past` as sources of the edge: CUI2 has the
-- relation to CUI1, turned where the canonical type is the inverse; a symmetric relation runs from
-- the smaller concept to the larger.
INSERT INTO fact
WITH turned AS (
    SELECT
        CASE WHEN undirected THEN second > first ELSE inverted END AS turn,
        CASE WHEN turn THEN first ELSE second END AS source,
        CASE WHEN turn THEN second ELSE first END AS target,
        relation.type,
        CASE WHEN turn THEN relation.inverse_rel ELSE relation.rel END AS rel,
        sab
    FROM statement JOIN relation USING (rel, rela)
    WHERE verdict = 'kept'
),
asserted AS (
    SELECT source, target, type, sab, min(rel) AS rel, count(*) AS statements
    FROM turned
    WHERE source >= getvariable('first') AND source < getvariable('past')
    GROUP BY source, target, type, sab
)
SELECT source, target, type, min(rel), list_sort(list(sab)), sum(statements)
FROM asserted GROUP BY source, target, type;
