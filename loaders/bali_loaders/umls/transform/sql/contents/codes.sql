-- Every code that a vocabulary uses, with the best of its names and the concept of that name.
SELECT
    sab,
    code,
    arg_min(name, struct_pack(standing := standing, aui := aui)) AS name,
    arg_min(concept, struct_pack(standing := standing, aui := aui)) AS concept
FROM atom
WHERE code IS NOT NULL AND NOT is_suppressed(suppress)
GROUP BY sab, code
