-- What became of each concept that is not as it was, `old_value` and `new_value` saying how.
CREATE TABLE concept_change AS
WITH replaced AS (
    SELECT
        cui,
        min(target) FILTER (rel = 'SY') AS merged_into,
        string_agg(rel || ' ' || target, ', ' ORDER BY rel, target) AS maps
    FROM new_retired GROUP BY cui
),
gone AS (
    SELECT
        pair.cui,
        CASE
            WHEN merged_into IS NOT NULL THEN 'merged'
            WHEN maps IS NOT NULL THEN 'mapped'
            WHEN replaced.cui IS NOT NULL THEN 'deleted'
            WHEN left_out.cui IS NOT NULL THEN 'left out'
            ELSE 'unexplained'
        END AS change,
        old.name,
        NULL AS old_value,
        coalesce(merged_into, maps) AS new_value
    FROM concept_pair AS pair
    JOIN old_concepts AS old ON old.id = pair.old
    LEFT JOIN replaced ON replaced.cui = pair.cui
    LEFT JOIN new_concepts AS left_out ON left_out.cui = pair.cui
    WHERE pair.new IS NULL
),
altered AS (
    SELECT cui, new.name, old.name AS old_name, new.types, old.types AS old_types
    FROM (FROM old_concepts WHERE id IS NOT NULL) AS old
    JOIN (FROM new_concepts WHERE id IS NOT NULL) AS new USING (cui)
)
FROM gone
UNION ALL
SELECT cui, 'added', name, NULL, NULL
FROM concept_pair AS pair JOIN new_concepts AS new USING (cui) WHERE pair.old IS NULL
UNION ALL
SELECT cui, 'renamed', name, old_name, name FROM altered WHERE old_name <> name
UNION ALL
SELECT cui, 'retyped', name, old_types, types FROM altered WHERE old_types <> types;
