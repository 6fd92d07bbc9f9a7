-- Which concepts are loaded. Every concept of the release has a row; `id` is null where it is not
-- loaded, and counts up in the order of the identifiers where it is.

CREATE VIEW judged_row AS
SELECT
    mrconso.*,
    CASE
        WHEN CUI IS NULL OR AUI IS NULL OR STR IS NULL OR mrconso.SAB IS NULL THEN 'incomplete'
        WHEN NOT wanted_language(LAT) THEN 'language'
        WHEN NOT wanted_source(mrconso.SAB) THEN 'source'
        WHEN NOT wanted_licence(source.licence) THEN 'licence'
        WHEN is_suppressed(SUPPRESS) THEN 'suppressed'
        ELSE 'kept'
    END AS verdict
FROM mrconso LEFT JOIN source ON source.sab = mrconso.SAB;

CREATE TABLE row_verdict AS SELECT CUI, AUI, verdict FROM judged_row;

-- An atom that several rows claim: the first of them in the order of all columns counts.
CREATE TABLE repeated_atom AS
SELECT * FROM judged_row
WHERE AUI IN (SELECT AUI FROM row_verdict GROUP BY AUI HAVING count(*) > 1);

CREATE TABLE first_claim AS SELECT DISTINCT ON (AUI) * FROM repeated_atom ORDER BY ALL;

CREATE VIEW judged_atom AS
SELECT * FROM judged_row WHERE AUI IS NULL OR AUI NOT IN (SELECT AUI FROM repeated_atom)
UNION ALL
SELECT * FROM first_claim;

CREATE TABLE atom_verdict AS
WITH judged AS (
    SELECT * FROM row_verdict WHERE AUI IS NULL OR AUI NOT IN (SELECT AUI FROM repeated_atom)
    UNION ALL
    SELECT CUI, AUI, verdict FROM first_claim
)
SELECT CUI AS cui, verdict, count(*) AS atoms FROM judged GROUP BY ALL;

DROP TABLE row_verdict;

-- A concept all of whose wanted atoms are suppressed is loaded with them, and marked.
CREATE TABLE concept AS
WITH seen AS (
    SELECT
        cui,
        bool_or(verdict = 'kept') AS kept,
        bool_or(verdict IN ('kept', 'suppressed')) AS loaded
    FROM atom_verdict WHERE cui IS NOT NULL GROUP BY cui
)
SELECT
    cui,
    CASE WHEN loaded THEN (row_number() OVER (PARTITION BY loaded ORDER BY cui) - 1)::INTEGER END AS id,
    loaded AND NOT kept AS suppressed
FROM seen;

INSERT INTO accounting
SELECT
    'MRCONSO',
    CASE WHEN verdict = 'suppressed' AND concept.suppressed THEN 'kept' ELSE verdict END AS verdict_,
    sum(atoms)
FROM atom_verdict LEFT JOIN concept USING (cui) GROUP BY verdict_
UNION ALL
SELECT 'MRCONSO', 'duplicate', count(*) - count(DISTINCT AUI) FROM repeated_atom;
