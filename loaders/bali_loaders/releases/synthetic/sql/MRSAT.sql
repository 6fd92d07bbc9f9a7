SELECT
    'C' || (1000000 + concept) AS CUI,
    '' AS LUI,
    '' AS SUI,
    CASE WHEN concept % 4 = 0 THEN '' ELSE 'A' || (10000000 + atom) END AS METAUI,
    CASE WHEN concept % 4 = 0 THEN 'CUI' ELSE 'AUI' END AS STYPE,
    '' AS CODE,
    'AT' || (300000000 + concept) AS ATUI,
    '' AS SATUI,
    atn AS ATN,
    sab AS SAB,
    CASE concept % 13
        WHEN 5 THEN value || ' = "' || concept || '"'
        WHEN 6 THEN 'C:\' || value || '\'
        ELSE value || ' ' || concept
    END AS ATV,
    CASE WHEN concept % 43 = 8 THEN 'O' ELSE 'N' END AS SUPPRESS,
    '' AS CVF,
    '' AS end_of_line
FROM rows
