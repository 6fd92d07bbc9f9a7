// Kinds of a concept: its descendants, up to two steps
// $cui: for example 'C0027051'
MATCH path = (concept:Concept {cui: $cui})<-[:ISA|CHD*1..2]-(:Concept)
RETURN path
LIMIT 200
