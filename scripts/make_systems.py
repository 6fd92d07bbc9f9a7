"""Write ``terminology/systems.csv``: vocabulary <-> CURIE prefix <-> URI <-> FHIR system.

Run it after ``pip install bioregistry``; the table is committed, so nothing needs that package
later. Prefixes and URIs are bioregistry's (CC0). Below is what it lacks, checked by hand: which of
the UMLS's abbreviations goes with which prefix, and HL7's names for code systems.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "platform/bali_platform/terminology/systems.csv"
HL7 = "2.16.840.1.113883"
THO = "http://terminology.hl7.org/CodeSystem"
COLUMNS = ("sab", "prefix", "name", "aliases", "uris", "fhir", "oid")

# The UMLS's abbreviation, bioregistry's prefix, FHIR's URI of the system, its OID below HL7's.
UMLS = """
ATC             atc         http://www.whocc.no/atc                          6.73
CDT             cdt         http://www.ada.org/cdt                           6.13
CPT             cpt         http://www.ama-assn.org/go/cpt                   6.12
CVX             cvx         http://hl7.org/fhir/sid/cvx                      12.292
DRUGBANK        drugbank    -                                                -
FMA             fma         -                                                6.119
GO              go          -                                                6.128
HCPCS           hcpcs       {tho}/HCPCS                                      6.285
HGNC            hgnc        http://www.genenames.org                         6.281
HPO             hp          http://human-phenotype-ontology.org              6.339
ICD10           icd10       http://hl7.org/fhir/sid/icd-10                   6.3
ICD10CM         icd10cm     http://hl7.org/fhir/sid/icd-10-cm                6.90
ICD10PCS        icd10pcs    http://www.cms.gov/Medicare/Coding/ICD10         6.4
ICD9CM          icd9cm      http://hl7.org/fhir/sid/icd-9-cm                 6.103
ICF             icf         http://hl7.org/fhir/sid/icf                      6.254
LNC             loinc       http://loinc.org                                 6.1
MDR             meddra      {tho}/MDR                                        6.163
MEDLINEPLUS     medlineplus -                                                6.173
MED-RT          -           http://va.gov/terminology/medrt                  6.345
MSH             mesh        {tho}/MSH                                        6.177
MTHSPL          unii        http://fdasis.nlm.nih.gov                        4.9
NCBI            ncbitaxon   -                                                6.205
NCI             ncit        http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl 3.26.1.1
NDDF            nddf        {tho}/nddf                                       6.208
OMIM            omim        http://www.omim.org                              6.174
ORPHANET        orphanet.ordo http://www.orpha.net                           -
RXNORM          rxnorm      http://www.nlm.nih.gov/research/umls/rxnorm      6.88
SNOMEDCT_US     snomedct    http://snomed.info/sct                           6.96
UMLS            umls        {tho}/umls                                       6.86
VANDF           vandf       {tho}/vandf                                      6.233
EFO             efo         -                                                -
NCBIGENE        ncbigene    -                                                6.340
ENSEMBL         ensembl     -                                                -
UNIPROT         uniprot     -                                                -
"""
MORE_URIS = {
    "MSH": ["http://id.nlm.nih.gov/mesh/", "https://id.nlm.nih.gov/mesh/"],
    "SNOMEDCT_US": ["http://snomed.info/id/", "http://snomed.info/sct/"],
    "ORPHANET": ["http://www.orpha.net/ORDO/Orphanet_"],
    "OMIM": ["http://omim.org/entry/", "https://omim.org/entry/", "https://www.omim.org/entry/"],
    "RXNORM": ["http://purl.bioontology.org/ontology/RXNORM/"],
    "LNC": ["http://loinc.org/rdf/"],
}
MORE_ALIASES = {
    "ICD10CM": ["ICD-10-CM"], "ICD9CM": ["ICD-9-CM"], "ICD10": ["ICD-10"], "LNC": ["LOINC"],
    "SNOMEDCT_US": ["SNOMED CT", "SCTID"], "MSH": ["MeSH"], "NCI": ["NCIT"], "MDR": ["MedDRA"],
    "ORPHANET": ["ORPHA", "ORPHANET", "Orphanet", "ORDO"], "MED-RT": ["MEDRT"],
    "MTHSPL": ["UNII"],
}  # fmt: skip


def main() -> None:
    """Write the table."""
    import bioregistry

    registry = {prefix: bioregistry.get_resource(prefix) for prefix in bioregistry.read_registry()}
    named = [line.split() for line in UMLS.strip().format(tho=THO).splitlines()]
    rows = [_row(sab, registry.get(prefix), fhir, oid) for sab, prefix, fhir, oid in named]
    taken = {prefix for _, prefix, _, _ in named}
    for prefix, resource in sorted(registry.items()):
        if (
            prefix not in taken
            and resource.get_obofoundry_prefix()
            and not resource.is_deprecated()
        ):
            rows.append(_row(resource.get_preferred_prefix() or prefix.upper(), resource, "-", "-"))
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _row(sab: str, resource: Any, fhir: str, oid: str) -> tuple[str, ...]:
    aliases, uris = list(MORE_ALIASES.get(sab, ())), list(MORE_URIS.get(sab, ()))
    prefix = name = ""
    if resource:
        prefix = resource.get_preferred_prefix() or resource.prefix
        name = resource.get_name() or ""
        aliases += [resource.prefix, *resource.get_synonyms()]
        formats = [
            resource.get_uri_format(),
            *(item.uri_format for item in resource.providers or ()),
        ]
        uris += [text.removesuffix("$1") for text in formats if text and text.endswith("$1")]
    # Editions such as SNOMEDCT_US_2015_03_01 are no names of the vocabulary.
    aliases = [alias for alias in aliases if not re.search(r"_\d{4}", alias)]
    distinct = {alias.casefold(): alias for alias in aliases}
    return (
        sab,
        prefix,
        name,
        "|".join(sorted(distinct.values())),
        "|".join(dict.fromkeys(uri for uri in uris if not uri.endswith(("=", ":")))),
        fhir.strip("-"),
        "" if oid == "-" else f"{HL7}.{oid}",
    )


if __name__ == "__main__":
    main()
