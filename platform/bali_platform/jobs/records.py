"""How Redis keeps the records of jobs: keys, fields, and what it does in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

INDEX = "bali:jobs"
_METRICS_KEPT = 20_000
_EVENTS_KEPT = 10_000

# ARGV[1] is JSON: expect {field: value}, free (no lease may exist), set {field: value},
# lease_ms (0 drops it), holder (of the lease), event [type, data], metrics. Answers 1; 0 when the
# job is not as expected; -1 when there is no record.
CHANGE = f"""
local change = cjson.decode(ARGV[1])
local job, lease, events, metrics = unpack(KEYS)
if redis.call('EXISTS', job) == 0 then return -1 end
for field, value in pairs(change.expect) do
  -- records of an older version lack fields that were added since, all of them empty
  if (redis.call('HGET', job, field) or '""') ~= value then return 0 end
end
if change.free and redis.call('EXISTS', lease) == 1 then return 0 end
for field, value in pairs(change.set) do redis.call('HSET', job, field, value) end
if change.lease_ms == 0 then redis.call('DEL', lease) end
if change.lease_ms and change.lease_ms > 0 then
  redis.call('SET', lease, change.holder, 'PX', change.lease_ms)
end
if change.event then
  local kind, data = unpack(change.event)
  redis.call('XADD', events, 'MAXLEN', '~', {_EVENTS_KEPT}, '*', 'type', kind, 'data', data)
end
if change.metrics then
  redis.call('XADD', metrics, 'MAXLEN', '~', {_METRICS_KEPT}, '*', 'data', change.metrics)
end
return 1
"""


# Answers id, state, id, state, ..., newest first. There is no index by state to keep: workers of
# an older version change states too, and a thousand of these look-ups take Redis a millisecond.
STATES = """
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
  local state = redis.call('HGET', 'bali:job:{' .. id .. '}', 'state')
  if state then
    found[#found + 1] = id
    found[#found + 1] = state
  end
end
return found
"""


def keys(job_id: str) -> tuple[str, str, str, str]:
    """Return the keys of the record, the lease, the events and the metrics."""
    record = f"bali:job:{{{job_id}}}"
    return record, f"{record}:lease", f"{record}:events", f"{record}:metrics"


def encode(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return fields as a record holds them: JSON each."""
    return {name: json.dumps(value, default=str) for name, value in fields.items()}
