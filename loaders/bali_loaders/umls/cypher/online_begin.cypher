UNWIND $lanes AS lane
CREATE (:ImportProgress {
  lane: lane, rows: 0, release: $release, graph_version: $graph_version, moved_at: datetime()
});
