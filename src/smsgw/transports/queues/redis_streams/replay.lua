-- Moves one dead letter back to the queue; 0 when it is gone. Added before it is deleted, and nothing in between.
-- KEYS: dead letters, stream. ARGV: id, name of the field of the body.
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then
  return 0
end
local body = ''
for index = 1, #found[1][2], 2 do
  if found[1][2][index] == ARGV[2] then
    body = found[1][2][index + 1]
  end
end
redis.call('XADD', KEYS[2], '*', ARGV[2], body)
redis.call('XDEL', KEYS[1], ARGV[1])
return 1
