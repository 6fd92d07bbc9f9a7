-- Retired concepts, each with what replaces it: `rel` is SY where it was merged into `target`.
SELECT retired.cui, reason, rel, concept.cui AS target
FROM retired
LEFT JOIN replacement ON replacement.retired = retired.cui
LEFT JOIN concept ON concept.id = replacement.concept
