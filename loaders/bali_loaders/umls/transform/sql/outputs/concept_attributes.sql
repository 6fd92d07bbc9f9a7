SELECT concept AS ":START_ID(Concept)", rowid AS ":END_ID(Attribute)"
FROM judged_attribute WHERE verdict = 'kept' AND atom IS NULL
