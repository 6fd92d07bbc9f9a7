SELECT
    count(*) FILTER (gained) AS gained,
    count(*) FILTER (NOT gained) AS lost,
    count(*) FILTER (gained AND old IS NULL) AS gained_with_concepts,
    count(*) FILTER (NOT gained AND new IS NULL) AS lost_with_concepts
FROM name_change JOIN concept_pair USING (number) WHERE sab IS NULL
