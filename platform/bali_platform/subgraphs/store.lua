-- Adds entries to the cache and drops the oldest ones until it is within its budget, atomically.
-- KEYS: queue (entries in order of arrival, as '<bytes> <key>'), totals (hash of counters).
-- ARGV: budget in bytes, bytes that an entry takes beside its key and value, then key, value, ...
local queue, totals = KEYS[1], KEYS[2]
local budget, overhead = tonumber(ARGV[1]), tonumber(ARGV[2])
local bytes = tonumber(redis.call('HGET', totals, 'bytes') or 0)
local added, evicted = {}, 0
for i = 3, #ARGV, 2 do
  local key, value = ARGV[i], ARGV[i + 1]
  if redis.call('SET', key, value, 'NX') then
    local size = #key + #value + overhead
    added[#added + 1] = size .. ' ' .. key
    bytes = bytes + size
  end
end
if #added > 0 then redis.call('RPUSH', queue, unpack(added)) end
while bytes > budget do
  local oldest = redis.call('LPOP', queue)
  if not oldest then break end
  local space = string.find(oldest, ' ', 1, true)
  redis.call('UNLINK', string.sub(oldest, space + 1))
  bytes = bytes - tonumber(string.sub(oldest, 1, space - 1))
  evicted = evicted + 1
end
redis.call('HSET', totals, 'bytes', bytes)
if evicted > 0 then redis.call('HINCRBY', totals, 'evicted', evicted) end
