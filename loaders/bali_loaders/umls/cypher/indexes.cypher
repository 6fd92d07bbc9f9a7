SHOW INDEXES
YIELD name, entityType, labelsOrTypes, properties, owningConstraint, createStatement
WHERE entityType = 'NODE' AND owningConstraint IS NULL AND properties IS NOT NULL
RETURN name, labelsOrTypes AS labels, properties, createStatement AS statement
ORDER BY name;
