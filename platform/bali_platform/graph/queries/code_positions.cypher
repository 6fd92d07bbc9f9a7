// Where vocabularies place a concept: parents' names and the number of children, by vocabulary.
// Steps between atoms (MRHIER) come first, and then the relations between concepts.
MATCH (concept:Concept {cui: $cui})
CALL (concept) {
  MATCH (concept)-[:HAS_ATOM]->(atom:Atom)-[step:BELOW]->(parent:Atom)
  RETURN 'MRHIER' AS basis, step.sab AS source, atom.code AS code, parent.name AS parent,
         null AS child
  UNION
  MATCH (concept)-[:HAS_ATOM]->(atom:Atom)<-[step:BELOW]-(child:Atom)
  RETURN 'MRHIER' AS basis, step.sab AS source, atom.code AS code, null AS parent,
         child.code AS child
  UNION
  MATCH (concept)-[edge:ISA|CHD]->(parent:Concept)
  UNWIND edge.sabs AS source
  RETURN 'relations' AS basis, source, null AS code, parent.name AS parent, null AS child
  UNION
  MATCH (concept)<-[edge:ISA|CHD]-(child:Concept)
  UNWIND edge.sabs AS source
  RETURN 'relations' AS basis, source, null AS code, null AS parent, child.cui AS child
}
WITH basis, source, code, collect(DISTINCT parent) AS parents, count(DISTINCT child) AS children
RETURN basis, source, code, parents, children
ORDER BY source, basis, code
