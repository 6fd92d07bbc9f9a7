-- Attributes of concepts and atoms (MRSAT). One of a relationship has no place in the graph, as
-- edges merge the relationships of several sources.
CREATE TABLE judged_attribute AS
SELECT
    concept.id AS concept,
    atom.rowid AS atom,
    ATUI AS atui,
    ATN AS name,
    mrsat.SAB AS sab,
    ATV AS value,
    CASE
        WHEN mrsat.CUI IS NULL OR ATN IS NULL OR ATV IS NULL OR mrsat.SAB IS NULL THEN 'incomplete'
        WHEN STYPE IN ('RUI', 'SRUI') THEN 'of a relationship'
        WHEN NOT wanted_source(mrsat.SAB) THEN 'source'
        WHEN NOT wanted_licence(source.licence) THEN 'licence'
        WHEN is_suppressed(mrsat.SUPPRESS) THEN 'suppressed'
        WHEN concept.cui IS NULL THEN 'unknown concept'
        WHEN concept.id IS NULL THEN 'concept not loaded'
        WHEN METAUI IS NOT NULL AND atom.aui IS NULL THEN 'atom not loaded'
        ELSE 'kept'
    END AS verdict
FROM mrsat
LEFT JOIN concept ON concept.cui = mrsat.CUI
LEFT JOIN atom ON atom.aui = mrsat.METAUI
LEFT JOIN source ON source.sab = mrsat.SAB;

INSERT INTO accounting SELECT 'MRSAT', verdict, count(*) FROM judged_attribute GROUP BY verdict;
