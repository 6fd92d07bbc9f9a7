// A graph that is told of is finished: the marks of an import over Bolt go in the same transaction.
OPTIONAL MATCH (mark:ImportProgress)
DELETE mark
WITH count(*) AS marks
MERGE (release:Release)
SET release = {
  version: $version, graph_version: $graph_version, loaded_at: datetime(), options: $options,
  report: $report, relation_types: $relation_types
};
