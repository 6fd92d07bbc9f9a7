-- The vocabularies, each by its current version, and what the load options make of each.
CREATE TABLE source AS
SELECT DISTINCT ON (RSAB)
    RSAB AS sab,
    SON AS name,
    SVER AS version,
    try_cast(SRL AS INTEGER) AS licence,
    LAT AS language
FROM mrsab
WHERE RSAB IS NOT NULL
ORDER BY RSAB, CURVER DESC NULLS LAST, SABIN DESC NULLS LAST, VSAB DESC NULLS LAST;

-- An empty list of the option means: all. A source that MRSAB does not know has no licence.
CREATE MACRO wanted_source(sab) AS
    len(getvariable('sources')) = 0 OR list_contains(getvariable('sources')::VARCHAR[], sab);

CREATE MACRO wanted_licence(licence) AS
    len(getvariable('licences')) = 0 OR coalesce(list_contains(getvariable('licences')::INTEGER[], licence), false);

CREATE MACRO wanted_language(language) AS
    len(getvariable('languages')) = 0 OR coalesce(list_contains(getvariable('languages')::VARCHAR[], language), false);

CREATE MACRO is_suppressed(flag) AS coalesce(flag, 'N') <> 'N' AND NOT getvariable('suppressible');

INSERT INTO accounting
SELECT 'MRSAB', CASE WHEN RSAB IS NULL THEN 'incomplete'
                     WHEN NOT wanted_source(RSAB) THEN 'source'
                     WHEN NOT wanted_licence(try_cast(SRL AS INTEGER)) THEN 'licence'
                     ELSE 'kept' END AS verdict, count(*)
FROM mrsab GROUP BY verdict;

INSERT INTO accounting
SELECT 'MRRANK', 'kept', count(*) FROM mrrank
UNION ALL SELECT 'MRDOC', 'kept', count(*) FROM mrdoc;
