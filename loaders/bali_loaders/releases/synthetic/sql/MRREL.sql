-- One row a direction of a fact: CUI2 ("second") has REL and RELA to CUI1 ("first").
SELECT
    'C' || (1000000 + first) AS CUI1,
    CASE WHEN of_concepts THEN '' ELSE 'A' || (10000000 + first_atom) END AS AUI1,
    CASE WHEN of_concepts THEN 'CUI' ELSE 'AUI' END AS STYPE1,
    rel AS REL,
    'C' || (1000000 + second) AS CUI2,
    CASE WHEN of_concepts THEN '' ELSE 'A' || (10000000 + second_atom) END AS AUI2,
    CASE WHEN of_concepts THEN 'CUI' ELSE 'AUI' END AS STYPE2,
    rela AS RELA,
    'R' || (100000000 + row) AS RUI,
    '' AS SRUI,
    sab AS SAB,
    sab AS SL,
    CASE WHEN grouped THEN '0' ELSE '' END AS RG,
    direction AS DIR,
    suppress AS SUPPRESS,
    '' AS CVF,
    '' AS end_of_line
FROM rows
