-- Look-up, claim, rates and quota of one request (core/admission.py, core/buckets.py).
local function filled(rate, key)
  local depth = math.max(rate, 1)
  local tokens, at = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  if not tokens then
    return depth, depth
  end
  return math.min(depth, tonumber(tokens) + math.max(0, now - tonumber(at)) / 1000 * rate), depth
end

-- Takes a token of every rate, or of none; returns the first that has none.
local function take(rates)
  local left = {}
  for index, rate in ipairs(rates) do
    local key = key_prefix .. 'rate:' .. rate.name
    local tokens, depth = filled(rate.per_second, key)
    if tokens < 1 then
      return {rate = rate, current_count = math.ceil(depth - tokens)}
    end
    -- A bucket that had time to fill is as good as one that nobody knows.
    local until_full = math.ceil(depth / rate.per_second * 1000) + 1000
    left[index] = {key, string.format('%.9f %.0f', tokens - 1, now), 'PX', whole(until_full)}
  end
  for _, bucket in ipairs(left) do
    redis.call('SET', unpack(bucket))
  end
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

local function rate_limited(ask, record, limited)
  local day = record and release_claim(record, ask.claim, false)
  if day then
    refund(ask.client_key, day)
  end
  local tracking_id = record and record.tracking_id or ask.tracking_id
  return {verdict = 'rate_limited', tracking_id = tracking_id, limited = limited}
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
  local limited = take(ask.rates)
  if limited then
    return rate_limited(ask, record, limited)
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
