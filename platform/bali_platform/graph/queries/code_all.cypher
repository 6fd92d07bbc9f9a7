// Every code of a vocabulary.
MATCH (atom:Atom {sab: $source})
WHERE atom.code >= ''
RETURN DISTINCT atom.code AS code
