-- Gives entries of one consumer back, ready for anybody at once and not counted as one more delivery.
-- KEYS: stream. ARGV: group, me, name of the consumer of what was given back, how idle that makes it (ms),
-- 'stay' or 'leave' (I will not come back), ids (none: everything of mine).
local stream, group, me, returned, idle = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local ids = {}
if #ARGV == 5 then
  for _, each in ipairs(redis.call('XPENDING', stream, group, '-', '+', 1000000, me)) do
    ids[#ids + 1] = each[1]
  end
end
for index = 6, #ARGV do
  -- Another consumer may have it by now: what is not mine is not mine to give.
  if #redis.call('XPENDING', stream, group, ARGV[index], ARGV[index], 1, me) == 1 then
    ids[#ids + 1] = ARGV[index]
  end
end
for _, id in ipairs(ids) do
  if #redis.call('XRANGE', stream, id, id) == 0 then
    -- Somebody deleted the entry by hand, or it was an old heartbeat: there is nothing to deliver any more.
    redis.call('XACK', stream, group, id)
  else
    redis.call('XCLAIM', stream, group, returned, 0, id, 'IDLE', idle, 'JUSTID')
  end
end
-- Deleting a consumer that owns entries would lose them.
if ARGV[5] == 'leave' and #redis.call('XPENDING', stream, group, '-', '+', 1, me) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', stream, group, me)
end
return #ids
