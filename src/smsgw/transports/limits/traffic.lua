-- What workers share: the twin of core/traffic.py and core/buckets.py on this server's clock. One script runs a batch of
-- calls, so that what workers' tasks ask in one moment shares a round trip. Times are microseconds since 1970, 0 is never.
local prefix = ARGV[2]
local FIRST_BLOB = 4
local SECOND = 1000000
local KEEP = 86400
local MOST_WAIT = 100 * KEEP
local MOST_LIFE, LEAST_FACTOR, NARROWED_TO, RECOVERY, ROUNDING = 0.5, 0.05, 0.7, 0.05, 1e-6
local NARROW_EVERY, MOST_CLOSED, MOST_SKEW = 1 * SECOND, 60 * SECOND, 2 * SECOND

-- ARGV[3] is a test's clock; without it the server's, the only one that all workers share.
local now = tonumber(ARGV[3])
if not now then
  local clock = redis.call('TIME')
  now = clock[1] * SECOND + clock[2]
end
-- A clock that stands still is not what PX runs on.
local LEAST_KEPT = tonumber(ARGV[3]) and KEEP or 0
local operations, bodies = {}, {}

-- Redis prints large numbers as 1.7e+12, which PX does not read.
local function whole_number(number)
  return string.format('%.0f', number)
end

local function full_depth(limit)
  local life = math.min(MOST_LIFE, limit.burst_seconds / 2)
  return math.max(1, limit.rate * (limit.burst_seconds - life))
end

local function depth(limit, factor)
  return math.max(1, full_depth(limit) * factor)
end

local function bucket_key(name)
  return prefix .. 'bucket:' .. name
end

local function known(name)
  local kept = redis.call('GET', bucket_key(name))
  if not kept then return nil end
  local tokens, at, factor, narrowed_at, closed_until = string.match(kept, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {
    tokens = tonumber(tokens), at = tonumber(at), factor = tonumber(factor), narrowed_at = tonumber(narrowed_at),
    closed_until = tonumber(closed_until),
  }
end

local function set_back(bucket)
  local by = now - bucket.at
  bucket.at = now
  bucket.narrowed_at = bucket.narrowed_at > 0 and bucket.narrowed_at + by or 0
  bucket.closed_until = bucket.closed_until > 0 and bucket.closed_until + by or 0
end

local function refill(bucket, limit)
  if not bucket then
    return {tokens = full_depth(limit), at = now, factor = 1, narrowed_at = 0, closed_until = 0}
  end
  if bucket.at - now > MOST_SKEW then
    set_back(bucket)
  end
  local at = math.max(now, bucket.at)
  local elapsed = (at - bucket.at) / SECOND
  local factor = math.min(1, bucket.factor + RECOVERY * elapsed)
  local recovering = math.min(elapsed, (1 - bucket.factor) / RECOVERY)
  local earned = recovering * (bucket.factor + factor) / 2 + (elapsed - recovering)
  bucket.tokens = math.min(depth(limit, factor), bucket.tokens + earned * limit.rate)
  bucket.at, bucket.factor = at, factor
  return bucket
end

local function closed_seconds(bucket)
  return bucket.closed_until > 0 and (bucket.closed_until - bucket.at) / SECOND or 0
end

local function seconds_to_earn(full_seconds, factor)
  local recovery = (1 - factor) / RECOVERY
  local meanwhile = recovery * (factor + 1) / 2
  if full_seconds >= meanwhile then
    return recovery + (full_seconds - meanwhile)
  end
  return 2 * full_seconds / (factor + math.sqrt(factor * factor + 2 * RECOVERY * full_seconds))
end

local function missing_seconds(bucket, limit, needed)
  local short = math.min(needed, depth(limit, bucket.factor)) - bucket.tokens
  if short <= ROUNDING then
    return math.max(0, closed_seconds(bucket))
  end
  local wait = math.min(seconds_to_earn(short / limit.rate, bucket.factor), MOST_WAIT)
  return math.max(closed_seconds(bucket), math.ceil(wait * SECOND) / SECOND)
end

local function whole(bucket, wanted, least)
  local most = math.min(wanted, math.floor(bucket.tokens + ROUNDING))
  return math.max(least, most - most % least)
end

-- A bucket that had time to settle is as good as one that nobody knows.
local function save(name, bucket, limit)
  local filling = math.max(0, (full_depth(limit) - bucket.tokens) / limit.rate)
  local settled = math.max(closed_seconds(bucket), (1 - bucket.factor) / RECOVERY + filling) + 1
  local kept = string.format('%.17g %.0f %.17g %.0f %.0f', bucket.tokens, bucket.at, bucket.factor, bucket.narrowed_at,
    bucket.closed_until)
  local kept_for = math.max(LEAST_KEPT, math.min(settled, MOST_WAIT))
  redis.call('SET', bucket_key(name), kept, 'PX', whole_number(math.ceil(kept_for * 1000)))
end

-- Returns {units, messages, seconds to wait}. Both buckets are read before one is written: tokens of both, or none.
function operations.lease(ask)
  local own = ask.limit and refill(known(ask.bucket), ask.limit)
  local every = ask.total and refill(known('total'), ask.total)
  local wait = math.max(own and missing_seconds(own, ask.limit, ask.least) or 0,
    every and missing_seconds(every, ask.total, 1) or 0)
  local units, messages = 0, 0
  if wait == 0 then
    units = own and whole(own, ask.units, ask.least) or ask.units
    messages = math.min(units, math.ceil(ask.messages * units / ask.units))
    local left = every and whole(every, messages, 1) or messages
    if left < messages then
      messages, units = left, math.max(ask.least, math.ceil(units * left / messages))
    end
  end
  if own then
    own.tokens = own.tokens - units
    save(ask.bucket, own, ask.limit)
  end
  if every then
    every.tokens = every.tokens - messages
    save('total', every, ask.total)
  end
  return {units, messages, wait}
end

function operations.narrow(told)
  local bucket = refill(known(told.bucket), told.limit)
  local closed = bucket.at + math.min(math.max(told.retry_after, 0), MOST_CLOSED)
  bucket.closed_until = math.max(closed, bucket.closed_until)
  if bucket.narrowed_at == 0 or bucket.at - bucket.narrowed_at >= NARROW_EVERY then
    bucket.tokens = math.min(bucket.tokens, 0)
    bucket.factor = math.max(LEAST_FACTOR, bucket.factor * NARROWED_TO)
    bucket.narrowed_at = bucket.at
  end
  save(told.bucket, bucket, told.limit)
  return true
end

function operations.buckets(limits)
  local found = {}
  for index, each in ipairs(limits) do
    local bucket = refill(known(each[1]), each[2])
    found[index] = {bucket.tokens, bucket.at, bucket.factor, bucket.narrowed_at, bucket.closed_until}
  end
  return found
end

function operations.turns(wanted)
  local key = prefix .. 'turn:' .. wanted[1]
  local after = redis.call('INCRBY', key, whole_number(wanted[2]))
  redis.call('EXPIRE', key, KEEP)
  return after - wanted[2]
end

-- Bodies travel beside the packed replies, in their order: what they hold may be no text.
function operations.read(names)
  local found = {now}
  for index, name in ipairs(names) do
    local document = redis.call('HMGET', prefix .. 'document:' .. name, 'version', 'body')
    found[index + 1] = tonumber(document[1] or 0)
    bodies[#bodies + 1] = document[2] or ''
  end
  return found
end

function operations.write(wanted, body)
  local key = prefix .. 'document:' .. wanted[1]
  if tonumber(redis.call('HGET', key, 'version') or 0) ~= wanted[2] then
    return false
  end
  redis.call('HSET', key, 'version', whole_number(wanted[2] + 1), 'body', body)
  redis.call('EXPIRE', key, KEEP)
  return true
end
