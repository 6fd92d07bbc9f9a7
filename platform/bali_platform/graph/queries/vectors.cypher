// Which model made the vectors of concepts, and whether all of them are written.
MATCH (release:Release)
RETURN release.vectors_model AS model,
       release.vectors_digest AS digest,
       release.vectors_dimensions AS dimensions,
       coalesce(release.vectors_complete, false) AS complete
LIMIT 1
