"""FHIR R4 terminology services: operations on CodeSystem, ValueSet and ConceptMap."""
