// Whether any concept has a vector.
MATCH (concept:Concept)
WHERE concept.cui >= '' AND concept.embedding IS NOT NULL
RETURN concept.cui AS cui
LIMIT 1
