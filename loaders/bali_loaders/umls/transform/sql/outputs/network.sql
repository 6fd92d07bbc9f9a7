SELECT
    one.rowid AS ":START_ID(SemanticType)",
    two.rowid AS ":END_ID(SemanticType)",
    network.type AS ":TYPE"
FROM network
JOIN semantic_type AS one ON one.tui = network.source
JOIN semantic_type AS two ON two.tui = network.target
