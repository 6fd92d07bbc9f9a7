// A concept and 60 of its edges, as a picture
// $cui: for example 'C0027051'
MATCH path = (concept:Concept {cui: $cui})-[]-(:Concept)
RETURN path
LIMIT 60
