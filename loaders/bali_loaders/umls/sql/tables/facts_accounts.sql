INSERT INTO accounting
SELECT 'MRREL', verdict, count(*) FROM statement WHERE verdict <> 'kept' GROUP BY verdict
UNION ALL SELECT 'MRREL', 'kept', count(*) FROM fact
UNION ALL SELECT 'MRREL', 'merged', sum(statements) - count(*) FROM fact;
