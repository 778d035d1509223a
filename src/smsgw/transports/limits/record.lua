-- What every operation shares: this server's clock, the keys, and an idempotency record as a hash. Together with the
-- files beside it, the twin of core/admission.py. One script runs a batch of operations, so that concurrent requests
-- share one round trip. Redis forgets a record at its expires_at by itself, so that field has no copy in the hash.
local FIRST_BLOB = 6
local key_prefix, quota_prefix = ARGV[2], ARGV[3]
local lease, ttl = tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local seconds = tonumber(clock[1])
local now = seconds * 1000 + math.floor(clock[2] / 1000)
local operations, bodies = {}, {}
local DAY = 86400

-- Redis prints large numbers as 1.7e+12, which PEXPIRE does not read.
local function whole(number)
  return string.format('%.0f', number)
end

-- Days since 1970 to YYYY-MM-DD (Howard Hinnant's civil_from_days); os.date is not allowed here.
local function day_of(epoch)
  local days = math.floor(epoch / DAY) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local leap_days = math.floor(of_era / 1460) - math.floor(of_era / 36524) + math.floor(of_era / 146096)
  local year = math.floor((of_era - leap_days) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local shifted = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * shifted + 2) / 5) + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  return string.format('%04d-%02d-%02d', year + era * 400 + (month <= 2 and 1 or 0), month, day)
end
local today = day_of(seconds)

local function idem_key(claim)
  return key_prefix .. 'idem:' .. claim.name
end

local function quota_key(client_key, day)
  return key_prefix .. quota_prefix .. ':' .. client_key .. ':' .. day
end

local function read(claim)
  local found = redis.call('HMGET', idem_key(claim), 'fingerprint', 'tracking_id', 'token', 'leased_until', 'status',
    'answer_until', 'quota_day', 'is_publish_unknown')
  if not found[1] then
    return nil
  end
  return {
    fingerprint = found[1], tracking_id = found[2], token = found[3], leased_until = tonumber(found[4]),
    status = tonumber(found[5] or 0), answer_until = tonumber(found[6] or 0), quota_day = found[7] or '',
    is_publish_unknown = found[8] == '1',
  }
end

local function judge(record, claim)
  if not record then return 'fresh' end
  if record.fingerprint ~= claim.fingerprint then return 'reused' end
  if record.status > 0 and now < record.answer_until then return 'replay' end
  if record.status == 0 and now < record.leased_until then return 'in_use' end
  return 'takeover'
end

-- The reply to a claim that is not this request's to hold. Bodies travel beside the packed replies, in their order.
local function refusal(record, claim, verdict)
  local reply = {verdict = verdict, tracking_id = record.tracking_id}
  if verdict == 'replay' then
    reply.status = record.status
    bodies[#bodies + 1] = redis.call('HGET', idem_key(claim), 'body')
  end
  return reply
end

local function refund(client_key, day)
  local key = quota_key(client_key, day)
  if tonumber(redis.call('GET', key) or 0) > 0 then
    redis.call('DECR', key)
  end
end

-- Ends a claim; returns the quota day to give a unit back to, or nil.
local function release_claim(record, claim, is_maybe_published)
  local is_unknown = record.is_publish_unknown or is_maybe_published
  local day = not is_unknown and record.quota_day ~= '' and record.quota_day or nil
  redis.call('HSET', idem_key(claim), 'token', '', 'leased_until', 0, 'is_publish_unknown', is_unknown and 1 or 0,
    'quota_day', day and '' or record.quota_day)
  return day
end
