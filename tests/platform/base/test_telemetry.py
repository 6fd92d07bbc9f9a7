"""Traces: off unless OpenTelemetry's variables ask for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROGRAM = f"""
import sys
from bali_platform.base.telemetry import flush, span, traceparent
with span("nobody asked for it"):
    pass
with span("outer", "{PARENT}"):
    carried = traceparent()
    with span("inner", job="j") as inner:
        inner.set_attribute("steps", 3)
flush()
print(carried, any(name.startswith("opentelemetry.sdk") for name in sys.modules), file=sys.stderr)
"""


def traced(**variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(
        command, env=clean | variables, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "console"},
    ],
)
def test_without_being_asked_nothing_is_traced_nor_imported(variables: dict[str, str]) -> None:
    assert traced(**variables).stderr == " False\n"


def test_spans_are_parts_of_what_they_were_given() -> None:
    ran = traced(OTEL_TRACES_EXPORTER="console")
    inner, outer = [json.loads(f"{{{text}") for text in f"\n{ran.stdout}".split("\n{")[1:]]
    assert (inner["name"], inner["parent_id"]) == ("inner", outer["context"]["span_id"])
    assert (outer["name"], outer["parent_id"]) == ("outer", f"0x{PARENT.split('-')[2]}")
    assert inner["attributes"] == {"bali.job": "j", "steps": 3}
    trace, span = PARENT.split("-")[1], outer["context"]["span_id"].removeprefix("0x")
    assert ran.stderr.startswith(f"00-{trace}-{span}-")


def test_an_exporter_that_is_not_there_is_told_and_done_without() -> None:
    assert "there is no exporter 'zipkin'" in traced(OTEL_TRACES_EXPORTER="zipkin").stderr
