SELECT
    rowid AS ":ID(RetiredConcept)",
    cui AS "cui",
    name AS "name",
    reason AS "reason",
    release AS "release"
FROM retired
