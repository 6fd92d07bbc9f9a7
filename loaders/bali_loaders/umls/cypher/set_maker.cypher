// Concepts that are new have no vector yet.
MATCH (release:Release)
SET release += $maker,
    release.vectors_complete =
      $complete AND NOT EXISTS { MATCH (concept:Concept) WHERE concept.embedding IS NULL };
