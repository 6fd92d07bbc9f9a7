SELECT concept AS ":START_ID(Concept)", rowid AS ":END_ID(Definition)" FROM definition
