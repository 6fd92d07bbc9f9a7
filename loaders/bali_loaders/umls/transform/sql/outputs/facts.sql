SELECT
    source AS ":START_ID(Concept)",
    target AS ":END_ID(Concept)",
    type_name.name AS ":TYPE",
    rel AS "rel",
    type_name.rela AS "rela",
    sabs AS "sabs:string[]"
FROM fact JOIN type_name USING (type)
