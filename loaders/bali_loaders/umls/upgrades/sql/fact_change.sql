-- Facts that only one graph has, or that other sources state; `old_sabs` is null for a new fact,
-- `new_sabs` for a lost one.
CREATE TABLE fact_change AS
WITH old AS (
    SELECT one.number AS source, two.number AS target, relation, sabs
    FROM old_facts
    JOIN concept_pair AS one ON one.old = old_facts.source
    JOIN concept_pair AS two ON two.old = old_facts.target
),
new AS (
    SELECT one.number AS source, two.number AS target, relation, sabs
    FROM new_facts
    JOIN concept_pair AS one ON one.new = new_facts.source
    JOIN concept_pair AS two ON two.new = new_facts.target
)
SELECT source, target, old.sabs AS old_sabs, new.sabs AS new_sabs
FROM old FULL JOIN new USING (source, target, relation)
WHERE old.sabs IS DISTINCT FROM new.sabs;
