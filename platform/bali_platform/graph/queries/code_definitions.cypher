// Every definition of a concept, with the vocabulary that gives it.
MATCH (:Concept {cui: $cui})-[:DEFINED_BY]->(definition:Definition)
RETURN definition.sab AS source, definition.text AS text
ORDER BY source, text
