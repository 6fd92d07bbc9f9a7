-- Mappings between vocabularies (MRMAP). A mapping hangs on every concept that it maps from: the one
-- it names, or those with the code that it names in the source of the map set.
CREATE TABLE judged_mapping AS
SELECT
    mrmap.*,
    CASE
        WHEN MAPSETSAB IS NULL OR FROMEXPR IS NULL OR TOEXPR IS NULL THEN 'incomplete'
        WHEN NOT wanted_source(MAPSETSAB) THEN 'source'
        WHEN NOT wanted_licence(source.licence) THEN 'licence'
        ELSE 'kept'
    END AS verdict
FROM mrmap LEFT JOIN source ON source.sab = MAPSETSAB;

CREATE TABLE mapping AS SELECT * EXCLUDE (verdict) FROM judged_mapping WHERE verdict = 'kept';

CREATE TABLE mapped AS
SELECT DISTINCT concept.id AS concept, mapping.rowid AS mapping
FROM concept JOIN mapping ON mapping.FROMEXPR = concept.cui
WHERE mapping.FROMTYPE = 'CUI' AND concept.id IS NOT NULL
UNION
SELECT DISTINCT atom.concept, mapping.rowid
FROM atom JOIN mapping ON mapping.MAPSETSAB = atom.sab AND mapping.FROMEXPR = atom.code
WHERE coalesce(mapping.FROMTYPE, '') <> 'CUI';

INSERT INTO accounting SELECT 'MRMAP', verdict, count(*) FROM judged_mapping GROUP BY verdict;
