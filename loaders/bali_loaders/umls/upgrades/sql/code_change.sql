-- What became of each code that is not as it was, `old_value` and `new_value` saying how. Of a retired
-- code the new value is where its concept is now, and the codes that its source has there.
CREATE TABLE old_code AS
SELECT sab, code, old_codes.name, cui, types
FROM old_codes JOIN old_concepts ON old_concepts.id = concept;

CREATE TABLE new_code AS
SELECT sab, code, new_codes.name, cui, types
FROM new_codes JOIN new_concepts ON new_concepts.id = concept;

CREATE TABLE code_change AS
WITH replaced AS (
    SELECT
        cui,
        min(target) FILTER (rel = 'SY') AS merged_into,
        coalesce(min(target) FILTER (rel = 'SY'), min(target)) AS successor
    FROM new_retired GROUP BY cui
),
gone AS (
    SELECT old.*, coalesce(successor, cui) AS live
    FROM old_code AS old ANTI JOIN new_code USING (sab, code) LEFT JOIN replaced USING (cui)
),
placed AS (
    SELECT gone.sab, gone.code, live, string_agg(beside.code, ' ' ORDER BY beside.code) AS codes
    FROM gone
    JOIN new_concepts ON new_concepts.cui = live AND id IS NOT NULL
    LEFT JOIN new_code AS beside ON beside.cui = live AND beside.sab = gone.sab
    GROUP BY ALL
),
kept AS (
    SELECT
        sab, code, new.name, new.cui, new.types,
        old.name AS old_name, old.cui AS old_cui, old.types AS old_types, merged_into
    FROM old_code AS old JOIN new_code AS new USING (sab, code)
    LEFT JOIN replaced ON replaced.cui = old.cui
)
SELECT sab AS source, code, 'new' AS change, name, NULL AS old_value, cui AS new_value
FROM new_code ANTI JOIN old_code USING (sab, code)
UNION ALL
SELECT sab, code, 'retired', name, cui, concat_ws(': ', placed.live, codes)
FROM gone LEFT JOIN placed USING (sab, code)
UNION ALL
SELECT sab, code, 'renamed', name, old_name, name FROM kept WHERE old_name <> name
UNION ALL
SELECT sab, code, CASE WHEN merged_into = cui THEN 'merged' ELSE 'moved' END, name, old_cui, cui
FROM kept WHERE old_cui <> cui
UNION ALL
SELECT sab, code, 'retyped', name, old_types, types FROM kept WHERE old_types <> types;
