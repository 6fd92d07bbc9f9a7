// The one Release node: what is loaded, and under which version.
MATCH (release:Release)
RETURN release.version AS version,
       release.graph_version AS graph_version,
       release.relation_types AS relation_types
LIMIT 1
