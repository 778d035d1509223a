-- The one load for both gateways: the same request, an Idempotency-Key of its own each. Use with -t1.
-- TAG makes keys unique between runs; PAUSE_MS, when set, makes every connection rest before its next request.
local tag, pause, n = os.getenv("TAG") or "t", tonumber(os.getenv("PAUSE_MS") or "0"), 0
local accepted, other = 0, 0
local text = "Your one time code is 123456. It expires in 5 minutes."
local thread
function setup(t) thread = t end
function init() accepted, other = 0, 0 end
if pause > 0 then
  -- Spread, or all connections would fire at once for ever.
  function delay() return math.floor(pause * (0.5 + math.random())) end
end
function request()
  n = n + 1
  return wrk.format("POST", "/api/v1/sms/send",
    {["Content-Type"] = "application/json", ["API-Key"] = "bench-key", ["Idempotency-Key"] = tag .. "-" .. n},
    string.format('{"to":"+9891200%05d","text":"%s"}', n % 100000, text))
end
function response(status) -- globals are read back through thread:get in done()
  if status == 202 then accepted = accepted + 1 else other = other + 1 end
  g_accepted, g_other = accepted, other
end
function done(s, latency)
  io.write(string.format('JSON {"accepted":%d,"other":%d,"us":%d,"p50":%.3f,"p99":%.3f,"max":%.3f,"errors":%d}\n',
    thread:get("g_accepted") or 0, thread:get("g_other") or 0, s.duration, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, latency.max / 1000,
    s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout))
end
