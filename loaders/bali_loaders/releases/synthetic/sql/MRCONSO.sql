-- One row an atom, from the columns of atoms.py. Numbers start high enough to need no padding.
SELECT
    'C' || (1000000 + concept) AS CUI,
    lat AS LAT,
    ts AS TS,
    'L' || (10000000 + lui) AS LUI,
    stt AS STT,
    'S' || (10000000 + sui) AS SUI,
    ispref AS ISPREF,
    'A' || (10000000 + atom) AS AUI,
    CASE WHEN atom % 3 = 0 THEN '' || (500000 + atom) ELSE '' END AS SAUI,
    CASE WHEN identifies = 'SCUI' THEN concat(code_prefix, 200000 + code) ELSE '' END AS SCUI,
    CASE WHEN identifies = 'SDUI' THEN concat(code_prefix, 200000 + code) ELSE '' END AS SDUI,
    sab AS SAB,
    tty AS TTY,
    concat(code_prefix, 200000 + code) AS CODE,
    CASE kind
        WHEN 0 THEN a || ' ' || b || ' ' || c
        WHEN 1 THEN b || ' ' || c || ', ' || a
        WHEN 2 THEN upper(a) || ' ' || b || ' ' || c
        WHEN 3 THEN a || ' ' || b || ' ' || c || ' ' || d
        WHEN 4 THEN d || ' ' || e || ' ' || f
        WHEN 5 THEN '"' || a || '" ' || b || ' 3" ' || d || ' ' || e || '"'
        WHEN 6 THEN a || '\' || b || ' ' || d || ' ' || e || '\'
        WHEN 7 THEN left(repeat(a || ' ' || d || ' ' || e || '; ', 200), 3000)
        WHEN 8 THEN a || ' ' || b || ' ' || c
        WHEN 9 THEN a || '''s ' || d || ' (' || e || ') [' || b || '] {50% <10 µg/m³} & ' || f || ';'
    END AS STR,
    srl AS SRL,
    suppress AS SUPPRESS,
    CASE WHEN atom % 5 = 0 THEN '256' ELSE '' END AS CVF,
    '' AS end_of_line
FROM rows
