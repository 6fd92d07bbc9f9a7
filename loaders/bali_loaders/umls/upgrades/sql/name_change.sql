-- Names that one graph has and the other has not, first by source and then whoever gives them (`sab`
-- null). A name is compared by its hash: among the names of one concept that is as good.
CREATE TABLE name_change AS
WITH given AS (
    SELECT number, hash(name) AS name, sab, true AS was, false AS now
    FROM old_names JOIN concept_pair ON old = concept
    UNION ALL
    SELECT number, hash(name), sab, false, true
    FROM new_names JOIN concept_pair ON new = concept
)
SELECT number, sab, bool_or(now) AS gained
FROM given GROUP BY number, name, sab HAVING bool_or(was) <> bool_or(now)
UNION ALL
SELECT number, NULL, bool_or(now)
FROM given GROUP BY number, name HAVING bool_or(was) <> bool_or(now);
