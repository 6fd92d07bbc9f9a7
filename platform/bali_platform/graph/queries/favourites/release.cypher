// What is loaded: release, options and the numbers of its reconciliation
MATCH (release:Release)
RETURN release.version AS release,
       release.graph_version AS graph_version,
       release.loaded_at AS loaded_at,
       release.options AS options,
       release.report AS report
