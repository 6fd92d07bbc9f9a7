// Every code of a vocabulary, in one list.
MATCH (atom:Atom {sab: $source})
WHERE atom.code >= ''
RETURN collect(DISTINCT atom.code) AS codes
