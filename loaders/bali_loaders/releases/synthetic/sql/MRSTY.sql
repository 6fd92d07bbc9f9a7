SELECT
    'C' || (1000000 + concept) AS CUI,
    tui AS TUI,
    stn AS STN,
    sty AS STY,
    'AT' || (100000000 + 2 * concept + second::INT) AS ATUI,
    CASE WHEN concept % 3 = 0 THEN '256' ELSE '' END AS CVF,
    '' AS end_of_line
FROM rows
