SELECT rowid AS ":ID(Attribute)", atui AS "atui", name AS "name", sab AS "sab", value AS "value"
FROM judged_attribute WHERE verdict = 'kept'
