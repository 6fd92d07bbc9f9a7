-- One row a fact between concepts `first` <= id < `past` as sources of the edge.
INSERT INTO fact
SELECT
    source,
    target,
    type,
    getvariable('rels')[min(rel)],
    list_transform(
        list_sort(list_distinct(list(sab))), lambda number: getvariable('sabs')[number]
    ),
    count(*)
FROM turned
WHERE source >= getvariable('first') AND source < getvariable('past')
GROUP BY source, target, type;
