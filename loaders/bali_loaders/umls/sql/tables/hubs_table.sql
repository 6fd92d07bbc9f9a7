CREATE TABLE hub (concept INTEGER, sampled_edges VARCHAR[]);
