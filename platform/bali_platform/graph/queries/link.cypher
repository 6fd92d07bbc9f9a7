// What each mention may mean: the concepts that bear its name, as the dictionary has it (cuis), and
// those with the nearest vectors. Bearers of the name first, each kind by cosine.
UNWIND range(0, size($mentions) - 1) AS number
WITH number, $mentions[number] AS mention
CALL (mention) {
  UNWIND mention.cuis AS cui
  MATCH (concept:Concept {cui: cui})
  RETURN concept
  UNION
  CALL db.index.vector.queryNodes('concept_embedding', $candidates, mention.vector)
  YIELD node
  RETURN node AS concept
}
WITH number, mention, concept,
     concept.cui IN mention.cuis AS named,
     CASE
       WHEN concept.embedding IS NULL THEN -1.0
       ELSE 2 * vector.similarity.cosine(concept.embedding, mention.vector) - 1
     END AS cosine
ORDER BY number, named DESC, cosine DESC, concept.cui
WITH number, collect([concept.cui, concept.name, concept.semantic_types, named, cosine]) AS found
RETURN number, found[..$limit] AS candidates
ORDER BY number
