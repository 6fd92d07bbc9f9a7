SELECT
    child AS ":START_ID(Atom)",
    parent AS ":END_ID(Atom)",
    sab AS "sab",
    rela AS "rela",
    codes AS "codes:string[]"
FROM step
