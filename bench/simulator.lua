-- The load for bench/simulator.py. DIALECT is phone_text or provider_a; every message has a reference of its own. Use with -t1.
local simple, n = os.getenv("DIALECT") == "phone_text", 0
local path = simple and "/api/sms/provider1" or "/messages"
local headers = {["Content-Type"] = "application/json", ["Authorization"] = not simple and "Bearer demo-key" or nil}
local text = "Your one time code is 123456. It expires in 5 minutes."
function request()
  n = n + 1
  local body = simple and string.format('{"phone":"+98912%06d9","text":"%s"}', n % 1000000, text)
    or string.format('{"to":"+98912%06d9","text":"%s","reference":"3fa85f64-5717-4562-b3fc-%012d","validity_seconds":600}',
      n % 1000000, text, n)
  return wrk.format("POST", path, headers, body)
end
function done(s, latency)
  io.write(string.format('JSON {"answered":%d,"refused":%d,"us":%d,"p50":%.3f,"p99":%.3f,"errors":%d}\n',
    s.requests, s.errors.status, s.duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout))
end
