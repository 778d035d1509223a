-- Stores a response if the claim is still the caller's, and notes a confirmed publish in the audit ledger either way.
local LEDGER_SECONDS = 2 * DAY

local function note_confirmed(id)
  local key = key_prefix .. 'confirmed:' .. quota_prefix .. ':' .. whole(seconds - seconds % 60)
  if redis.call('APPEND', key, id) == 16 then
    redis.call('EXPIRE', key, LEDGER_SECONDS)
  end
end

local function store(answer, body)
  local key = idem_key(answer.claim)
  if redis.call('HGET', key, 'token') ~= answer.claim.token then
    return
  end
  local kept = answer.ttl_seconds * 1000
  redis.call('HSET', key, 'status', answer.status, 'body', body, 'answer_until', whole(now + kept), 'token', '')
  if redis.call('PTTL', key) < kept then
    redis.call('PEXPIRE', key, whole(kept))
  end
end

-- `blob` is the confirmed tracking_id as 16 bytes, if any, and then the body.
function operations.answer(answer, blob)
  if answer.is_confirmed then
    note_confirmed(string.sub(blob, 1, 16))
  end
  if answer.claim then
    store(answer, answer.is_confirmed and string.sub(blob, 17) or blob)
  end
  return true
end
