MATCH (progress:ImportProgress) RETURN progress.lane AS lane, progress.rows AS rows;
