SELECT
    rowid AS ":ID(Atom)",
    aui AS "aui",
    name AS "name",
    sab AS "sab",
    tty AS "tty",
    code AS "code",
    language AS "language",
    suppress AS "suppress"
FROM atom
