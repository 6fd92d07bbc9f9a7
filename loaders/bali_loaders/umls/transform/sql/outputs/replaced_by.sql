SELECT
    retired.rowid AS ":START_ID(RetiredConcept)",
    concept AS ":END_ID(Concept)",
    rel AS "rel",
    replacement.release AS "release"
FROM replacement JOIN retired ON retired.cui = replacement.retired
