// Writing to the node locks it, so that the mark is read when nobody else can move it.
MATCH (progress:ImportProgress {lane: $lane})
SET progress.moved_at = datetime()
WITH progress WHERE progress.rows = $start
SET progress.rows = $start + $count
RETURN progress.rows AS rows;
