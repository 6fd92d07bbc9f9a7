SELECT concept AS ":START_ID(Concept)", rowid AS ":END_ID(Atom)" FROM atom
