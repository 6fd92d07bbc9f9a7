SELECT
    semantic_type.rowid AS ":ID(SemanticType)",
    tui AS "tui",
    semantic_type.name AS "name",
    tree_number AS "tree_number",
    definition AS "definition",
    semantic_group.name AS "group"
FROM semantic_type LEFT JOIN semantic_group USING (tui)
