-- Retired concepts: MRCUI's history and this release's CHANGE files.
CREATE TABLE history AS
SELECT 'MRCUI' AS file, CUI1 AS cui, REL AS rel, CUI2 AS target, VER AS release, NULL AS name
FROM mrcui
UNION ALL SELECT 'CHANGE/MERGEDCUI', PCUI, 'SY', CUI, NULL, NULL FROM change_mergedcui
UNION ALL SELECT 'CHANGE/DELETEDCUI', PCUI, 'DEL', NULL, NULL, PSTR FROM change_deletedcui;

CREATE TABLE judged_history AS
SELECT history.*,
    CASE WHEN history.cui IS NULL OR rel IS NULL THEN 'incomplete'
         WHEN concept.cui IS NOT NULL THEN 'still a concept'
         ELSE 'kept' END AS verdict
FROM history LEFT JOIN concept ON concept.cui = history.cui;

CREATE TABLE retired AS
SELECT
    cui,
    any_value(name) AS name,
    CASE WHEN bool_or(rel = 'SY') THEN 'merged'
         WHEN bool_or(target IS NOT NULL) THEN 'mapped'
         ELSE 'deleted' END AS reason,
    max(release) AS release
FROM judged_history WHERE verdict = 'kept' GROUP BY cui;

-- Follows maps to concepts that were retired later. The relation of a chain is that of its first
-- step that is not a merger.
CREATE TABLE replacement AS
WITH RECURSIVE map AS (
    SELECT DISTINCT cui, rel, target, release FROM judged_history
    WHERE verdict = 'kept' AND target IS NOT NULL AND target <> cui
),
chain AS (
    SELECT cui, rel, target, release FROM map
    UNION
    SELECT chain.cui, CASE chain.rel WHEN 'SY' THEN map.rel ELSE chain.rel END, map.target, chain.release
    FROM chain JOIN map ON map.cui = chain.target
)
SELECT DISTINCT ON (chain.cui, concept.id) chain.cui AS retired, concept.id AS concept, rel, release
FROM concept JOIN chain ON chain.target = concept.cui
WHERE concept.id IS NOT NULL
ORDER BY chain.cui, concept.id, rel <> 'SY', rel, release DESC NULLS LAST;

-- A row that repeats another, or whose map leads to no loaded concept, is counted as such.
INSERT INTO accounting
WITH resolved AS (
    SELECT
        file,
        CASE
            WHEN verdict <> 'kept' THEN verdict
            WHEN target IS NOT NULL AND target NOT IN (SELECT cui FROM concept WHERE id IS NOT NULL)
                AND (target NOT IN (SELECT retired FROM replacement) OR target = cui)
                THEN 'target not loaded'
            WHEN row_number() OVER (PARTITION BY cui, rel, target ORDER BY file DESC, release DESC) > 1 THEN 'merged'
            ELSE 'kept'
        END AS verdict
    FROM judged_history
)
SELECT file, verdict, count(*) FROM resolved GROUP BY file, verdict;
