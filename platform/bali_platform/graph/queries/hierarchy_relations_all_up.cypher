// Every step from concepts to all that are above them, by what a vocabulary states.
UNWIND $nodes AS cui
MATCH (:Concept {cui: cui})-[steps:ISA|CHD*0..]->(node:Concept)
WHERE all(step IN steps WHERE $source IN step.sabs)
WITH DISTINCT node
MATCH (node)-[edge:ISA|CHD]->(next:Concept)
WHERE $source IN edge.sabs
RETURN node.cui AS start, collect(DISTINCT next.cui) AS next
