// Every definition of every concept, in order of CUI and definition.
MATCH (concept:Concept)-[:DEFINED_BY]->(definition:Definition)
WHERE concept.cui >= ''
RETURN concept.cui AS cui, definition.atui AS atui, definition.text AS text
ORDER BY cui, atui
