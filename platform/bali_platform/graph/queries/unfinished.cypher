// The marks of an import over Bolt that is under way, or was interrupted.
MATCH (mark:ImportProgress)
RETURN mark.release AS release
LIMIT 1
