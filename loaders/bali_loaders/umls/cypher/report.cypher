MATCH (release:Release) RETURN release.report AS report;
