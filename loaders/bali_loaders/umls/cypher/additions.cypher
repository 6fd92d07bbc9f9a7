MATCH (concept:Concept)
WITH concept,
     [key IN keys(concept) WHERE NOT key IN $properties] AS keys,
     [label IN labels(concept) WHERE NOT label IN $labels] AS labels
WHERE size(keys) + size(labels) > 0
RETURN concept.cui AS cui, labels, keys, [key IN keys | concept[key]] AS values;
