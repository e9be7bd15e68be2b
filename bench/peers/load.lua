-- Orders for wrk: a unique order and user for each request, so that no answer is a replay or a user's limit.
--   wrk -t1 -c64 -d10s --latency -s load.lua http://127.0.0.1:PORT/api/v1/inventory/deduct
-- Environment
--   SKUS     SKU_1 to SKU_n; 100
--   ATTEMPT  1 = the header Order-Attempt: 1
--   COUNT    1 = read every answer and count it by result, which costs the generator about as much as the request
-- The last line of the output is JSON.

local threads, run = {}, nil

function setup(thread)
  if not run then
    local random = assert(io.open("/dev/urandom", "rb"))
    run = random:read(6):gsub(".", function(c) return string.format("%02x", c:byte()) end)
    random:close()
  end
  threads[#threads + 1] = thread
  thread:set("run_id", run)
  thread:set("thread_id", #threads)
end

function init()
  skus = tonumber(os.getenv("SKUS") or 100)
  tag = string.format("%s-%d-", run_id, thread_id)
  sent, results = 0, ""
  math.randomseed(tonumber(run_id:sub(1, 6), 16) + thread_id)
  local attempt = os.getenv("ATTEMPT") == "1" and "Order-Attempt: 1\r\n" or ""
  head = string.format("POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\n%sContent-Length: ",
    wrk.path, wrk.host, wrk.port, attempt)
  if os.getenv("COUNT") == "1" then
    counted = {}
    response = function(status, _, body)
      local code = body:match('"code":"([%w_]+)"') or body:match('"message":"([%a ]+)') or ""
      local is_sold = status == 200 and body:find('"success":true', 1, true)
      local name = is_sold and "accepted" or status .. " " .. code
      counted[name] = (counted[name] or 0) + 1
      local texts = {}
      for result, count in pairs(counted) do texts[#texts + 1] = string.format('"%s":%d', result, count) end
      results = table.concat(texts, ",")
    end
  end
end

function request()
  sent = sent + 1
  local body = '{"SKU":"SKU_' .. math.random(skus) .. '","UserID":"u-' .. tag .. sent ..
    '","OrderID":"o-' .. tag .. sent .. '","Amount":1}'
  return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local results = {}
  for _, thread in ipairs(threads) do results[#results + 1] = thread:get("results") end
  local ms = {}
  for _, p in ipairs({ 50, 75, 90, 95, 99, 99.9, 100 }) do
    ms[#ms + 1] = string.format('"%s":%.3f', p, (p == 100 and latency.max or latency:percentile(p)) / 1000)
  end
  local errors = summary.errors
  print(string.format('{"requests":%d,"seconds":%.3f,"not2xx":%d,"failed":%d,"ms":{%s},"results":{%s}}',
    summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write +
    errors.timeout, table.concat(ms, ","), results[1] or ""))
end
