// Find concepts by words of any of their names
// $text: words in Lucene's syntax, for example 'heart AND attack'
CALL db.index.fulltext.queryNodes('concept_names', $text, {limit: 25})
YIELD node, score
RETURN node.cui AS cui, node.name AS name, node.semantic_types AS semantic_types, score
