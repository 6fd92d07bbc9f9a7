SELECT
    'C' || (1000000 + concept) AS CUI,
    'A' || (10000000 + atom) AS AUI,
    '1' AS CXN,
    'A' || (10000000 + up1) AS PAUI,
    'VOC001' AS SAB,
    'isa' AS RELA,
    concat_ws(
        '.',
        'A' || (10000000 + up14), 'A' || (10000000 + up13), 'A' || (10000000 + up12),
        'A' || (10000000 + up11), 'A' || (10000000 + up10), 'A' || (10000000 + up9),
        'A' || (10000000 + up8), 'A' || (10000000 + up7), 'A' || (10000000 + up6),
        'A' || (10000000 + up5), 'A' || (10000000 + up4), 'A' || (10000000 + up3),
        'A' || (10000000 + up2), 'A' || (10000000 + up1)
    ) AS PTR,
    '' AS HCD,
    '' AS CVF,
    '' AS end_of_line
FROM rows
