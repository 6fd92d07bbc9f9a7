// Find a concept by name
CALL db.index.fulltext.queryNodes('concept_names', 'marfan syndrome')
YIELD node AS concept, score
RETURN concept.cui AS cui, concept.name AS name, concept.semantic_types AS semantic_types, score
LIMIT 10;

// Find a concept by code
MATCH (concept:Concept)-[:HAS_ATOM]->(atom:Atom {sab: 'MSH', code: 'D008382'})
RETURN DISTINCT concept;

// Draw a neighbourhood
MATCH neighbourhood = (:Concept {cui: 'C0024796'})-[]-(:Concept)
RETURN neighbourhood
LIMIT 50;

// Climb the hierarchy
MATCH ascent = (:Concept {cui: 'C0024796'})-[:ISA|CHD|RN*1..3]->(:Concept)
RETURN ascent
LIMIT 50;

// Shortest paths between two concepts
MATCH (a:Concept {cui: 'C0024796'}), (b:Concept {cui: 'C0029434'})
MATCH path = allShortestPaths((a)-[*..6]-(b))
WHERE all(node IN nodes(path) WHERE node:Concept)
RETURN path
LIMIT 20;

// Codes of a concept in every vocabulary
MATCH (:Concept {cui: 'C0024796'})-[:HAS_ATOM]->(atom:Atom)
RETURN atom.sab AS vocabulary, collect(DISTINCT atom.code) AS codes
ORDER BY vocabulary;

// Count relationships by type
MATCH (:Concept)-[edge]->(:Concept)
RETURN type(edge) AS relationship, count(*) AS edges
ORDER BY edges DESC;

// Concepts nearest in meaning (after bali embed)
MATCH (concept:Concept {cui: 'C0024796'})
WHERE concept.embedding IS NOT NULL
CALL db.index.vector.queryNodes('concept_embedding', 15, concept.embedding)
YIELD node AS near, score
RETURN near.cui AS cui, near.name AS name, 2 * score - 1 AS cosine;

// What is loaded
MATCH (release:Release), (source:Source)
RETURN release.version AS release, source.sab AS vocabulary, source.version AS version, source.atoms AS names
ORDER BY names DESC;
