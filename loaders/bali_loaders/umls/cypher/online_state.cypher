OPTIONAL MATCH (release:Release)
WITH collect(release) AS releases
OPTIONAL MATCH (progress:ImportProgress)
WITH releases, collect(DISTINCT [progress.release, progress.graph_version]) AS imports
RETURN releases[0].version AS release,
       releases[0].graph_version AS graph_version,
       [import IN imports WHERE import[1] IS NOT NULL] AS imports,
       COUNT { MATCH () } AS nodes;
