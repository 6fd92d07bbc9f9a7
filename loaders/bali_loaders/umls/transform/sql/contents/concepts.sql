-- Every concept of the release; `id` is null where it was not loaded. Semantic types are joined.
WITH preferred AS (
    SELECT concept, arg_min(name, struct_pack(standing := standing, aui := aui)) AS name
    FROM atom GROUP BY concept
),
categorised AS (
    SELECT concept, array_to_string(list_sort(list(tui)), ' ') AS types FROM typed GROUP BY concept
)
SELECT concept.id, concept.cui, preferred.name, coalesce(categorised.types, '') AS types
FROM concept
LEFT JOIN preferred ON preferred.concept = concept.id
LEFT JOIN categorised ON categorised.concept = concept.id
