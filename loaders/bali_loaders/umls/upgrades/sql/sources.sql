-- By source: names gained and lost, facts gained and lost. A fact counts for each of its sources.
WITH stated AS (
    SELECT
        string_split(coalesce(old_sabs, ''), '|') AS was,
        string_split(coalesce(new_sabs, ''), '|') AS now
    FROM fact_change
),
change AS (
    SELECT sab, gained, 'name' AS kind FROM name_change WHERE sab IS NOT NULL
    UNION ALL
    SELECT unnest(list_filter(now, lambda sab: NOT list_contains(was, sab))), true, 'fact' FROM stated
    UNION ALL
    SELECT unnest(list_filter(was, lambda sab: NOT list_contains(now, sab))), false, 'fact' FROM stated
)
SELECT
    sab,
    count(*) FILTER (kind = 'name' AND gained) AS names_gained,
    count(*) FILTER (kind = 'name' AND NOT gained) AS names_lost,
    count(*) FILTER (kind = 'fact' AND gained) AS facts_gained,
    count(*) FILTER (kind = 'fact' AND NOT gained) AS facts_lost
FROM change WHERE sab <> '' GROUP BY sab ORDER BY sab
