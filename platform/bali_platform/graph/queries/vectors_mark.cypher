// Note whose vectors the concepts carry; with null for all, that they carry none.
MATCH (release:Release)
SET release.vectors_model = $model,
    release.vectors_digest = $digest,
    release.vectors_dimensions = $dimensions,
    release.vectors_complete = $complete
