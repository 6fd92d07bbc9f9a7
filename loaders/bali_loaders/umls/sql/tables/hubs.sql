-- A uniform choice of 64 edges for each concept that has more: those with the smallest hash of graph
-- version, concept and edge. Written as '>TYPE|CUI' (outgoing) or '<TYPE|CUI'.
INSERT INTO hub
WITH edge AS (
    SELECT source AS concept, target AS neighbour, '>' AS arrow, type FROM fact
    UNION ALL
    SELECT target, source, '<', type FROM fact
),
large AS (
    SELECT concept FROM edge
    WHERE concept >= getvariable('first') AND concept < getvariable('past')
    GROUP BY concept HAVING count(*) > 64
),
written AS (
    SELECT edge.concept, hub.cui, arrow || type_name.name || '|' || neighbour.cui AS entry
    FROM edge
    JOIN large ON large.concept = edge.concept
    JOIN concept AS hub ON hub.id = edge.concept
    JOIN concept AS neighbour ON neighbour.id = edge.neighbour
    JOIN type_name ON type_name.type = edge.type
)
SELECT
    concept,
    list_sort(arg_min(entry, md5(getvariable('graph_version') || '|' || cui || '|' || entry), 64))
FROM written GROUP BY concept;
