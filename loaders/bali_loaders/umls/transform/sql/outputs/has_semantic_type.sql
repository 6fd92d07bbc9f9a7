SELECT concept AS ":START_ID(Concept)", semantic_type.rowid AS ":END_ID(SemanticType)"
FROM typed JOIN semantic_type USING (tui)
