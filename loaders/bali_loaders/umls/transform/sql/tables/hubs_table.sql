-- Both ends' view of the edges of concepts that have more than 64.
CREATE TABLE hub_edge AS
WITH large AS (
    SELECT concept
    FROM (SELECT source AS concept FROM fact UNION ALL SELECT target FROM fact)
    GROUP BY concept HAVING count(*) > 64
)
SELECT source AS concept, target AS neighbour, '>' AS arrow, type
FROM fact JOIN large ON large.concept = source
UNION ALL
SELECT target, source, '<', type FROM fact JOIN large ON large.concept = target;

CREATE TABLE hub (concept INTEGER, sampled_edges VARCHAR[]);
