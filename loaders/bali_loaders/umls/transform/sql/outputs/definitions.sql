SELECT rowid AS ":ID(Definition)", atui AS "atui", sab AS "sab", text AS "text" FROM definition
