// Every semantic type, with its group and the number of its concepts.
MATCH (type:SemanticType)
RETURN type.tui AS tui,
       type.name AS name,
       coalesce(type.group, '') AS group,
       COUNT { (type)<-[:HAS_SEMANTIC_TYPE]-() } AS concepts
ORDER BY tui
