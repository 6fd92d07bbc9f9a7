MATCH (release:Release)
WHERE release.vectors_digest IS NOT NULL
RETURN release {.vectors_model, .vectors_digest, .vectors_dimensions} AS maker,
       coalesce(release.vectors_complete, false) AS complete;
