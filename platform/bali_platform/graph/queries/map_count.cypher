// How many rules of map sets (MRMAP) the graph holds, from Neo4j's own count.
MATCH (mapping:Mapping)
RETURN count(mapping) AS rules
