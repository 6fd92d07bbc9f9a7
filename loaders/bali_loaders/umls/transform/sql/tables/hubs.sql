-- A uniform choice of 64 edges for each hub `first` <= id < `past`: those with the smallest hash of
-- graph version, concept and edge. Written as '>TYPE|CUI' (outgoing) or '<TYPE|CUI'.
INSERT INTO hub
WITH written AS (
    SELECT hub_edge.concept, hub.cui, arrow || type_name.name || '|' || neighbour.cui AS entry
    FROM hub_edge
    JOIN concept AS hub ON hub.id = hub_edge.concept
    JOIN concept AS neighbour ON neighbour.id = hub_edge.neighbour
    JOIN type_name ON type_name.type = hub_edge.type
    WHERE hub_edge.concept >= getvariable('first') AND hub_edge.concept < getvariable('past')
)
SELECT
    concept,
    list_sort(arg_min(entry, md5(getvariable('graph_version') || '|' || cui || '|' || entry), 64))
FROM written GROUP BY concept;
