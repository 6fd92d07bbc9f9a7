// From concepts to those just above them by what a vocabulary states.
UNWIND $nodes AS cui
MATCH (:Concept {cui: cui})-[edge:ISA|CHD]->(next:Concept)
WHERE $source IN edge.sabs
RETURN cui AS start, collect(DISTINCT next.cui) AS next
