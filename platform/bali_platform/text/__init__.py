"""What loaders and trainers share about text: linked corpora and abbreviations."""
