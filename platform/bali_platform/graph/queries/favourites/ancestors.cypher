// What a concept is: its ancestors, up to four steps
// $cui: for example 'C0027051'
MATCH path = (concept:Concept {cui: $cui})-[:ISA|CHD*1..4]->(:Concept)
RETURN path
LIMIT 200
