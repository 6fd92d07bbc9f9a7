SELECT
    count(*) FILTER (old_sabs IS NULL) AS gained,
    count(*) FILTER (new_sabs IS NULL) AS lost,
    count(*) FILTER (old_sabs IS NULL AND (one.old IS NULL OR two.old IS NULL)) AS gained_with_concepts,
    count(*) FILTER (new_sabs IS NULL AND (one.new IS NULL OR two.new IS NULL)) AS lost_with_concepts
FROM fact_change
JOIN concept_pair AS one ON one.number = source
JOIN concept_pair AS two ON two.number = target
