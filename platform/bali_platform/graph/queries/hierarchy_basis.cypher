// Whether a vocabulary's atoms are joined by steps of its hierarchy (MRHIER).
MATCH (atom:Atom {sab: $source})
WHERE atom.code >= ''
WITH atom
LIMIT 10000
MATCH (atom)-[:BELOW]->()
RETURN true AS joined
LIMIT 1
