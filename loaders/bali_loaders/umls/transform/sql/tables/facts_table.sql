-- `statements` counts the rows of MRREL that state the fact, either way round, in any source.
CREATE TABLE fact (
    source INTEGER, target INTEGER, type INTEGER, rel VARCHAR, sabs VARCHAR[], statements BIGINT
);
