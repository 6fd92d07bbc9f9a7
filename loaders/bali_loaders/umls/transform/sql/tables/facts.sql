-- One row a fact between concepts `first` <= id < `past` as sources of the edge.
INSERT INTO fact
WITH asserted AS (
    SELECT source, target, type, sab, min(rel) AS rel, count(*) AS statements
    FROM turned
    WHERE source >= getvariable('first') AND source < getvariable('past')
    GROUP BY source, target, type, sab
)
SELECT
    source,
    target,
    type,
    getvariable('rels')[min(rel)],
    list_transform(list_sort(list(sab)), lambda number: getvariable('sabs')[number]),
    sum(statements)
FROM asserted GROUP BY source, target, type;
