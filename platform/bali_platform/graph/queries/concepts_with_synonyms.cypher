// Every concept with more than one name, in order of CUI (walks the key's index).
MATCH (concept:Concept)
WHERE concept.cui >= '' AND size(concept.names) > 1
RETURN concept.cui AS cui
ORDER BY cui
