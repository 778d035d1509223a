-- Look-up, claim, ingress rate and quota of one request (core/admission.py, core/buckets.py).
local function take(rate, name)
  local key = key_prefix .. 'rate:' .. name
  local depth = math.max(rate, 1)
  local tokens, at = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  local filled = depth
  if tokens then
    filled = math.min(depth, tonumber(tokens) + math.max(0, now - tonumber(at)) / 1000 * rate)
  end
  if filled < 1 then
    return false
  end
  -- A bucket that had time to fill is as good as one that nobody knows.
  local until_full = math.ceil(depth / rate * 1000) + 1000
  redis.call('SET', key, string.format('%.9f %.0f', filled - 1, now), 'PX', whole(until_full))
  return true
end

-- Returns the day that holds this request's unit ('' when nothing is counted) and whether there was none to take.
local function reserve(ask, record)
  if record and record.quota_day ~= '' then return record.quota_day, false end
  if not ask.daily_quota then return '', false end
  local key = quota_key(ask.client_key, today)
  if tonumber(redis.call('GET', key) or 0) >= ask.daily_quota then return '', true end
  if redis.call('INCR', key) == 1 then
    redis.call('EXPIRE', key, 2 * DAY)
  end
  return today, false
end

local function claimed(record, ask)
  local claim, key = ask.claim, idem_key(ask.claim)
  if not record then
    redis.call('HSET', key, 'fingerprint', claim.fingerprint, 'tracking_id', ask.tracking_id, 'token', claim.token,
      'leased_until', whole(now + lease))
    redis.call('PEXPIRE', key, ttl)
    return {tracking_id = ask.tracking_id, quota_day = '', is_publish_unknown = false}
  end
  local went_silent = record.status == 0 and record.token ~= ''
  record.is_publish_unknown = record.is_publish_unknown or went_silent
  redis.call('HSET', key, 'token', claim.token, 'leased_until', whole(now + lease), 'status', 0, 'body', '',
    'answer_until', 0, 'is_publish_unknown', record.is_publish_unknown and 1 or 0)
  return record
end

local function rate_limited(ask, record)
  local day = record and release_claim(record, ask.claim, false)
  if day then
    refund(ask.client_key, day)
  end
  return {verdict = 'rate_limited', tracking_id = record and record.tracking_id or ask.tracking_id}
end

function operations.admit(ask)
  local record, verdict = nil, 'fresh'
  if ask.claim then
    record = read(ask.claim)
    verdict = judge(record, ask.claim)
    if verdict ~= 'fresh' and verdict ~= 'takeover' then
      return refusal(record, ask.claim, verdict)
    end
    record = claimed(record, ask)
  end
  if ask.rate > 0 and not take(ask.rate, ask.rate_name) then
    return rate_limited(ask, record)
  end
  local tracking_id = record and record.tracking_id or ask.tracking_id
  local day, is_over = reserve(ask, record)
  if is_over then
    return {verdict = 'over_quota', tracking_id = tracking_id, retry_after_seconds = DAY - seconds % DAY}
  end
  if record and day ~= record.quota_day then
    redis.call('HSET', idem_key(ask.claim), 'quota_day', day)
  end
  return {verdict = verdict, tracking_id = tracking_id, quota_day = day ~= '' and day or nil}
end
