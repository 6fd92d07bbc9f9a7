// How many concepts each semantic group has
MATCH (concept:Concept)
UNWIND labels(concept) AS label
WITH label WHERE label <> 'Concept'
RETURN label, count(*) AS concepts
ORDER BY concepts DESC
