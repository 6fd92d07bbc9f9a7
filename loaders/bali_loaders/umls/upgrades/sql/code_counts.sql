-- By source: how many codes there were and are, and how many changed in which way.
WITH counted AS (
    SELECT sab, 'before' AS what FROM old_code
    UNION ALL SELECT sab, 'after' FROM new_code
    UNION ALL SELECT source, change FROM code_change
)
SELECT sab, what, count(*) FROM counted GROUP BY ALL ORDER BY sab
