// What a linker knows of every concept beside its names, in order of CUI (walks the key's index).
MATCH (concept:Concept)
WHERE concept.cui >= ''
RETURN concept.cui AS cui, concept.name AS name, concept.semantic_types AS types,
       [label IN labels(concept) WHERE label <> 'Concept'] AS groups, concept.sources AS sources,
       [(concept)-->(other:Concept) | other.cui] AS neighbours,
       [(concept)-[:SY|SAME_AS]->(other:Concept) | other.cui] AS same
ORDER BY cui
