-- Concepts `first` <= id < `past`, with what a reader wants at hand: names best first, the best
-- definition, semantic types, sources.
WITH sorted AS (
    SELECT
        concept,
        list_sort(
            list(struct_pack(standing := standing, aui := aui, name := name, sab := sab))
        ) AS atoms
    FROM atom
    WHERE concept >= getvariable('first') AND concept < getvariable('past')
    GROUP BY concept
),
listed AS (
    SELECT
        concept,
        list_transform(atoms, lambda atom: atom.name) AS repeated,
        list_transform(atoms, lambda atom: atom.sab) AS sabs
    FROM sorted
),
named AS (
    SELECT
        concept,
        list_filter(repeated, lambda name, place: list_position(repeated, name) = place) AS names,
        list_sort(list_distinct(sabs)) AS sources
    FROM listed
),
described AS (
    SELECT concept, arg_min(text, struct_pack(rank := -rank, atui := atui)) AS definition
    FROM definition GROUP BY concept
),
categorised AS (
    SELECT
        typed.concept,
        list_sort(list(semantic_type.name)) AS semantic_types,
        list_sort(list_distinct(list(semantic_group.label))) AS labels
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
FROM named
JOIN concept ON concept.id = named.concept
LEFT JOIN described ON described.concept = concept.id
LEFT JOIN categorised ON categorised.concept = concept.id
LEFT JOIN hub ON hub.concept = concept.id
