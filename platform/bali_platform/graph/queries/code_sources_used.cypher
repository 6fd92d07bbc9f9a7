// The vocabularies that concepts name, for a graph that has no records of them.
MATCH (concept:Concept)
WHERE concept.cui >= ''
UNWIND concept.sources AS sab
RETURN sab, count(*) AS concepts, count(*) AS atoms
ORDER BY sab
