SELECT change, count(*) FROM concept_change GROUP BY change ORDER BY change
