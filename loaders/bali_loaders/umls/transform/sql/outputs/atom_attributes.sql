SELECT atom AS ":START_ID(Atom)", rowid AS ":END_ID(Attribute)"
FROM judged_attribute WHERE verdict = 'kept' AND atom IS NOT NULL
