// The next concepts, in order of CUI, whose vector is wanted. Null filters admit everything.
MATCH (concept:Concept)
WHERE concept.cui > $after
  AND (NOT $missing_only OR concept.embedding IS NULL)
  AND ($groups IS NULL OR any(label IN labels(concept) WHERE label IN $groups))
  AND ($sources IS NULL OR any(source IN concept.sources WHERE source IN $sources))
RETURN concept.cui AS cui, concept.name AS name
ORDER BY cui
LIMIT $limit
