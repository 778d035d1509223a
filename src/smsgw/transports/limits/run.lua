-- Runs the batch. Items are {operation, argument, how many blobs of ARGV belong to it and the items before}. A failing operation (no memory, read-only replica, a foreign key's type) fails alone.
local replies = {}
for index, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local bodies_before = #bodies
  local is_done, reply = pcall(operations[item[1]], item[2], ARGV[FIRST_BLOB - 1 + item[3]])
  if not is_done then
    for extra = #bodies, bodies_before + 1, -1 do
      bodies[extra] = nil
    end
    reply = type(reply) == 'table' and reply.err or tostring(reply)
  end
  replies[index] = reply
end
local packed = {cmsgpack.pack(replies)}
for _, body in ipairs(bodies) do
  packed[#packed + 1] = body
end
return packed
