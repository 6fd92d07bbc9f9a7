-- Which concepts are loaded. Every concept of the release has a row; `id` is null where it is not
-- loaded, and counts up in the order of the identifiers where it is.

-- An atom that several rows claim: the first of them in the order of all columns counts.
CREATE TABLE repeated_atom AS
SELECT * FROM mrconso
WHERE AUI IN (SELECT AUI FROM mrconso GROUP BY AUI HAVING count(*) > 1);

CREATE VIEW atom_row AS
SELECT * FROM mrconso WHERE AUI IS NULL OR AUI NOT IN (SELECT AUI FROM repeated_atom)
UNION ALL
(SELECT DISTINCT ON (AUI) * FROM repeated_atom ORDER BY ALL);

CREATE VIEW judged_atom AS
SELECT
    atom_row.*,
    CASE
        WHEN CUI IS NULL OR AUI IS NULL OR STR IS NULL OR atom_row.SAB IS NULL THEN 'incomplete'
        WHEN NOT wanted_language(LAT) THEN 'language'
        WHEN NOT wanted_source(atom_row.SAB) THEN 'source'
        WHEN NOT wanted_licence(source.licence) THEN 'licence'
        WHEN is_suppressed(SUPPRESS) THEN 'suppressed'
        ELSE 'kept'
    END AS verdict
FROM atom_row LEFT JOIN source ON source.sab = atom_row.SAB;

CREATE TABLE atom_verdict AS
SELECT CUI AS cui, verdict, count(*) AS atoms FROM judged_atom GROUP BY ALL;

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
