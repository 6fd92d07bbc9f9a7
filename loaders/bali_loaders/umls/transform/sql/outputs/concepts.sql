-- Concepts `first` <= id < `past`, with what a reader wants at hand: names best first, the best
-- definition, semantic types, sources.
WITH spelled AS (
    SELECT concept, name, min(struct_pack(standing := standing, aui := aui)) AS best
    FROM atom
    WHERE concept >= getvariable('first') AND concept < getvariable('past')
    GROUP BY concept, name
),
named AS (
    SELECT
        concept,
        list_transform(
            list_sort(list(struct_pack(best := best, name := name))), lambda pair: pair.name
        ) AS names
    FROM spelled GROUP BY concept
),
sourced AS (
    SELECT concept, list_sort(list(DISTINCT sab)) AS sources
    FROM atom
    WHERE concept >= getvariable('first') AND concept < getvariable('past')
    GROUP BY concept
),
described AS (
    SELECT concept, first(text ORDER BY rank DESC, atui) AS definition
    FROM definition GROUP BY concept
),
categorised AS (
    SELECT
        typed.concept,
        list(semantic_type.name ORDER BY semantic_type.name) AS semantic_types,
        list_sort(list(DISTINCT semantic_group.label)) AS labels
    FROM typed
    JOIN semantic_type USING (tui)
    LEFT JOIN semantic_group USING (tui)
    WHERE typed.concept >= getvariable('first') AND typed.concept < getvariable('past')
    GROUP BY typed.concept
)
SELECT
    concept.id AS ":ID(Concept)",
    concept.cui AS "cui",
    names[1] AS "name",
    names AS "names:string[]",
    definition AS "definition",
    semantic_types AS "semantic_types:string[]",
    sources AS "sources:string[]",
    CASE WHEN concept.suppressed THEN true END AS "suppressed:boolean",
    hub.sampled_edges AS "sampled_edges:string[]",
    list_prepend('Concept', coalesce(labels, [])) AS ":LABEL"
FROM concept
JOIN named ON named.concept = concept.id
JOIN sourced ON sourced.concept = concept.id
LEFT JOIN described ON described.concept = concept.id
LEFT JOIN categorised ON categorised.concept = concept.id
LEFT JOIN hub ON hub.concept = concept.id
