INSERT INTO accounting
SELECT 'MRREL', 'kept', count(*) FROM fact
UNION ALL SELECT 'MRREL', 'merged', sum(statements) - count(*) FROM fact;
