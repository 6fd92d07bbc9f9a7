MERGE (release:Release)
SET release = {
  version: $version, graph_version: $graph_version, loaded_at: datetime(), options: $options,
  report: $report, relation_types: $relation_types
};
