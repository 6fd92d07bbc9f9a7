// How many concepts want a vector. Null filters admit everything.
MATCH (concept:Concept)
WHERE concept.cui >= ''
  AND (NOT $missing_only OR concept.embedding IS NULL)
  AND ($groups IS NULL OR any(label IN labels(concept) WHERE label IN $groups))
  AND ($sources IS NULL OR any(source IN concept.sources WHERE source IN $sources))
RETURN count(*) AS concepts
