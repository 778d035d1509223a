-- Acknowledges entries and deletes them: an entry that is deleted was acknowledged, and nothing else is ever deleted.
-- KEYS: stream. ARGV: group, ids.
local acknowledge, delete = {'XACK', KEYS[1], ARGV[1]}, {'XDEL', KEYS[1]}
for index = 2, #ARGV do
  acknowledge[#acknowledge + 1] = ARGV[index]
  delete[#delete + 1] = ARGV[index]
end
redis.call(unpack(acknowledge))
return redis.call(unpack(delete))
