-- A relation is its RELA, or '*' and its REL: of two that share a spelling as relationship types,
-- another release may spell either of them differently.
SELECT
    source,
    target,
    coalesce(type_name.rela, '*' || type_name.name) AS relation,
    array_to_string(sabs, '|') AS sabs
FROM fact JOIN type_name USING (type)
