-- Counts the entries that no consumer holds; -1 when there is no such stream.
-- KEYS: stream. ARGV: group, name of the consumer of what was given back.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return -1
end
local waiting = redis.call('XLEN', KEYS[1])
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
if pending.err or not pending[4] then
  return waiting
end
for _, each in ipairs(pending[4]) do
  if each[1] ~= ARGV[2] then
    waiting = waiting - tonumber(each[2])
  end
end
return math.max(waiting, 0)
