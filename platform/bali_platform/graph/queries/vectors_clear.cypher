// Take the vectors off all concepts, some thousands at a time.
MATCH (concept:Concept)
WHERE concept.cui >= '' AND concept.embedding IS NOT NULL
CALL (concept) {
  REMOVE concept.embedding
} IN TRANSACTIONS OF 5000 ROWS
