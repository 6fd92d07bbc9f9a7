// Every concept with its names, best first, in order of CUI (walks the key's index).
MATCH (concept:Concept)
WHERE concept.cui >= ''
RETURN concept.cui AS cui, concept.names AS names
ORDER BY cui
