-- One look round of one consumer: says that it lives, takes over what nobody else looks after, buries what kills.
-- KEYS: stream, dead letters. ARGV: group, me, name of the consumer of what was given back, 1 to renew, most of mine to
-- list, idle time of the abandoned (ms), room, delivery limit, idle time of consumers that are gone (ms).
-- Returns the ids that are mine (when renewing), and the entries taken.
local stream, dead, group, me, returned = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local limit, room = tonumber(ARGV[8]), tonumber(ARGV[7])
local mine, taken = {}, {}

local function renew()
  for _, each in ipairs(redis.call('XPENDING', stream, group, '-', '+', ARGV[5], me)) do
    mine[#mine + 1] = each[1]
    redis.call('XCLAIM', stream, group, me, 0, each[1], 'JUSTID')
  end
end

local function forget_the_gone()
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local each = {}
    for index = 1, #flat, 2 do
      each[flat[index]] = flat[index + 1]
    end
    local is_needed = each.name == me or each.name == returned
    -- Deleting one that owns entries would lose them.
    if each.pending == 0 and each.idle > tonumber(ARGV[9]) and not is_needed then
      redis.call('XGROUP', 'DELCONSUMER', stream, group, each.name)
    end
  end
end

local function bury(entry)
  local letter = {'XADD', dead, '*', 'reason', 'delivery_limit'}
  for _, each in ipairs(entry[2]) do
    letter[#letter + 1] = each
  end
  -- A Redis without memory keeps it pending: nothing is deleted that is not among the dead letters.
  if not redis.pcall(unpack(letter)).err then
    redis.call('XACK', stream, group, entry[1])
    redis.call('XDEL', stream, entry[1])
  end
end

local function take(entry)
  local deliveries = redis.call('XPENDING', stream, group, entry[1], entry[1], 1)[1][4]
  if deliveries > limit then
    bury(entry)
  else
    taken[#taken + 1] = entry
  end
end

if ARGV[4] == '1' then
  renew()
  forget_the_gone()
end
local cursor = '0-0'
while #taken < room do
  local found = redis.call('XAUTOCLAIM', stream, group, me, ARGV[6], cursor, 'COUNT', room - #taken)
  for _, entry in ipairs(found[2]) do
    -- Redis 6.2 shows an entry that was deleted by hand as nothing.
    if entry then
      take(entry)
    end
  end
  cursor = found[1]
  if cursor == '0-0' then
    break
  end
end
return {mine, taken}
