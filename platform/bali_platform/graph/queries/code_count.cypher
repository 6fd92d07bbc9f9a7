// How many codes a vocabulary has.
MATCH (atom:Atom {sab: $source})
WHERE atom.code >= ''
RETURN count(DISTINCT atom.code) AS codes
