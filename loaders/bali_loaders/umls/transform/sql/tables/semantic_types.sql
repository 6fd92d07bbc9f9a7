-- Semantic types: from the Semantic Network where the release has it, completed from MRSTY.
CREATE TABLE semantic_type AS
WITH named AS (
    SELECT 1 AS choice, UI AS tui, STY_RL AS name, STN_RTN AS tree_number, DEF AS definition
    FROM net_srdef WHERE RT = 'STY'
    UNION ALL
    SELECT DISTINCT 2, TUI, STY, STN, NULL FROM mrsty
)
SELECT DISTINCT ON (tui) tui, name, tree_number, definition
FROM named WHERE tui IS NOT NULL AND name IS NOT NULL
ORDER BY tui, choice, name, tree_number;

CREATE TABLE typed AS
SELECT DISTINCT concept.id AS concept, semantic_type.tui
FROM mrsty
JOIN concept ON concept.cui = mrsty.CUI AND concept.id IS NOT NULL
JOIN semantic_type ON semantic_type.tui = mrsty.TUI;

INSERT INTO accounting
WITH judged AS (
    SELECT CASE WHEN mrsty.CUI IS NULL OR semantic_type.tui IS NULL THEN 'incomplete'
                WHEN concept.cui IS NULL THEN 'unknown concept'
                WHEN concept.id IS NULL THEN 'concept not loaded'
                ELSE 'kept' END AS verdict, count(*) AS n
    FROM mrsty
    LEFT JOIN concept ON concept.cui = mrsty.CUI
    LEFT JOIN semantic_type ON semantic_type.tui = mrsty.TUI
    GROUP BY verdict
)
SELECT 'MRSTY', verdict, CASE verdict WHEN 'kept' THEN (SELECT count(*) FROM typed) ELSE n END
FROM judged
UNION ALL
SELECT 'MRSTY', 'merged', n - (SELECT count(*) FROM typed) FROM judged WHERE verdict = 'kept';

-- A type is a kind of the type one level up its tree number: A1.4.1 of A1.4, A1 of A.
CREATE TABLE network AS
SELECT child.tui AS source, 'ISA' AS type, parent.tui AS target
FROM semantic_type AS child
JOIN semantic_type AS parent
    ON parent.tree_number = CASE
        WHEN child.tree_number LIKE '%.%' THEN regexp_replace(child.tree_number, '\.[^.]*$', '')
        ELSE left(child.tree_number, 1) END
    AND parent.tui <> child.tui
UNION
SELECT UI1, relation.type, UI3
FROM net_srstre1
JOIN network_relation AS relation ON relation.ui = UI2
JOIN semantic_type AS one ON one.tui = UI1
JOIN semantic_type AS two ON two.tui = UI3
WHERE relation.type <> 'ISA';

INSERT INTO accounting
SELECT 'NET/SRDEF', 'kept', count(*) FROM net_srdef
UNION ALL
SELECT
    'NET/SRSTRE1',
    CASE WHEN one.tui IS NULL OR two.tui IS NULL OR relation.type IS NULL THEN 'not of semantic types'
         WHEN relation.type = 'ISA' THEN 'merged'
         ELSE 'kept' END AS verdict,
    count(*)
FROM net_srstre1
LEFT JOIN network_relation AS relation ON relation.ui = UI2
LEFT JOIN semantic_type AS one ON one.tui = UI1
LEFT JOIN semantic_type AS two ON two.tui = UI3
GROUP BY verdict;
