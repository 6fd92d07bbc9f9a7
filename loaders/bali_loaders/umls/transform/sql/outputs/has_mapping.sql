SELECT concept AS ":START_ID(Concept)", mapping AS ":END_ID(Mapping)" FROM mapped
