// The semantic types of a concept, with their groups.
MATCH (:Concept {cui: $cui})-[:HAS_SEMANTIC_TYPE]->(type:SemanticType)
RETURN type.tui AS tui, type.name AS name, coalesce(type.group, '') AS group
ORDER BY tui
