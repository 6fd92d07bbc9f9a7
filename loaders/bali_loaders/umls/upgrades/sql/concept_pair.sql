-- Every concept of either graph, with its numbers in both: null where a graph does not have it.
CREATE TABLE concept_pair AS
SELECT
    (row_number() OVER () - 1)::INTEGER AS number,
    cui,
    old.id AS old,
    new.id AS new
FROM (FROM old_concepts WHERE id IS NOT NULL) AS old
FULL JOIN (FROM new_concepts WHERE id IS NOT NULL) AS new USING (cui);
