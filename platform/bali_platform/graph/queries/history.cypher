// What became of CUIs: live or not, why and since when one is retired, and what takes its place.
UNWIND $cuis AS asked
OPTIONAL MATCH (concept:Concept {cui: asked})
OPTIONAL MATCH (retired:RetiredConcept {cui: asked})
WITH asked, concept, retired
WHERE concept IS NOT NULL OR retired IS NOT NULL
RETURN asked,
       concept.name AS live,
       retired.name AS name,
       retired.reason AS reason,
       retired.release AS release,
       COLLECT {
         MATCH (retired)-[replaced:REPLACED_BY]->(successor:Concept)
         WITH successor, replaced
         ORDER BY CASE replaced.rel WHEN 'SY' THEN 0 WHEN 'RB' THEN 1 WHEN 'RN' THEN 2 ELSE 3 END,
                  successor.cui
         RETURN [successor.cui, successor.name, replaced.rel]
       } AS successors
