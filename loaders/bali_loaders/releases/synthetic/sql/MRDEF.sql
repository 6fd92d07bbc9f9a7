SELECT
    'C' || (1000000 + concept) AS CUI,
    'A' || (10000000 + atom) AS AUI,
    'AT' || (200000000 + concept) AS ATUI,
    '' AS SATUI,
    sab AS SAB,
    'Any ' || parent0 || ' ' || parent1 || ' ' || parent2 || ' that is seen with '
    || near0 || ' ' || near1 || ' ' || near2
    || CASE WHEN concept % 7 = 0 THEN ', also called "' || far0 || '" or C:\' || far1 ELSE '' END
    || '. It is often found beside ' || far0 || ' ' || far1 || ' ' || far2 || '.'
    || CASE WHEN concept % 5003 = 4
            THEN repeat(' It is also a kind of ' || near0 || '.', 120) ELSE '' END AS DEF,
    suppress AS SUPPRESS,
    '' AS CVF,
    '' AS end_of_line
FROM rows
