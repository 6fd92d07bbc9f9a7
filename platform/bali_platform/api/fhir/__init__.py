"""FHIR terminology services, R4 and R5: operations on CodeSystem, ValueSet and ConceptMap."""
