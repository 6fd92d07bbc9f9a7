-- The atoms that are loaded. The smaller `standing` is, the better the name: the rank of source and
-- term type in MRRANK first, then NLM's flags TS, STT, ISPREF; the lowest AUI breaks ties.
CREATE TABLE atom AS
WITH ranking AS (
    SELECT SAB, TTY, max(try_cast(RANK AS INTEGER)) AS rank FROM mrrank GROUP BY SAB, TTY
)
SELECT
    concept.id AS concept,
    AUI AS aui,
    STR AS name,
    judged_atom.SAB AS sab,
    judged_atom.TTY AS tty,
    CODE AS code,
    LAT AS language,
    coalesce(judged_atom.SUPPRESS, 'N') AS suppress,
    (10000 - coalesce(rank, -1)) * 8
        + (coalesce(TS, '') <> 'P')::INTEGER * 4
        + (coalesce(STT, '') <> 'PF')::INTEGER * 2
        + (coalesce(ISPREF, '') <> 'Y')::INTEGER AS standing
FROM judged_atom
JOIN concept ON concept.cui = judged_atom.CUI
LEFT JOIN ranking ON ranking.SAB = judged_atom.SAB AND ranking.TTY = judged_atom.TTY
WHERE verdict = 'kept' OR (verdict = 'suppressed' AND concept.suppressed);
