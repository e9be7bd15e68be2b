--[=[ state: what a batch has read, what it will write, and the one place that writes.

  Reads are done once for the whole batch (prefetch), decisions change tables in memory, and `commit` turns the
  changed ones into arguments and then writes. HMGET and HSET go in chunks, because `unpack` fails near 8000.

  Memory: a few tables a command; nothing lives longer than the call. ]=]

local META, STOCK, EVENTS = KEYS[1], KEYS[2], KEYS[7]
local ORDERS = { [0] = KEYS[3], [1] = KEYS[4] }
local LIMITS = { [0] = KEYS[5], [1] = KEYS[6] }

local USER_LIMIT_MS = tonumber(ARGV[3])
local IDEMPOTENCY_WINDOW_MS = tonumber(ARGV[4])
local BACKLOG_MAX = tonumber(ARGV[5])

local QUANTITY_MAX = 1000000000000 -- 10^12: cjson prints 14 digits
local ORDER_LINES_MAX = 100
local CHUNK = 4000 -- arguments a call
local ADJUSTMENT = "\1" -- before an adjustment id: no order id holds a control character
local PAIR = "\31" -- between user and SKU, for the same reason

local LATE, BACKLOG_FULL, ORDER_FULL = { "late" }, { "backlog_full" }, { "order_full" }

local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local seq, applied            -- head of the log; last number known to be in the ledger
local orders_gen, orders_since -- generation that takes new lines, and since when
local limits_gen, limits_since
local stock = {}              -- SKU -> {available, reserved, policy}, or nil when unknown
local orders = {}             -- order key -> its remembered lines
local bought = {}             -- user and SKU -> ms
local dirty_stock, dirty_orders, dirty_bought = {}, {}, {}
local events = {}

local function begin(meta)
  seq, applied = tonumber(meta[3]), tonumber(meta[4])
  orders_gen, orders_since = tonumber(meta[5]), tonumber(meta[6])
  limits_gen, limits_since = tonumber(meta[7]), tonumber(meta[8])
end

-- Calls `take(field, value)` for each of `fields` that the hash has.
local function each_present(key, fields, take)
  for first = 1, #fields, CHUNK do
    local values = redis.call("HMGET", key, unpack(fields, first, math.min(first + CHUNK - 1, #fields)))
    for i = 1, #values do
      if values[i] then take(fields[first + i - 1], values[i]) end
    end
  end
end

local function parse_stock(sku, packed)
  local available, reserved, policy = string.match(packed, "^(%d+) (%d+) ?(.*)$")
  stock[sku] = {
    available = tonumber(available),
    reserved = tonumber(reserved),
    policy = policy ~= "" and cjson.decode(policy) or nil,
  }
end

-- Reads all that the commands will look at, each field once.
local function prefetch(commands)
  local skus, ids, pairs_ = {}, {}, {}
  local seen_sku, seen_id, seen_pair = {}, {}, {}
  local function want(list, seen, field)
    if not seen[field] then
      seen[field] = true
      list[#list + 1] = field
    end
  end
  for i = 1, #commands do
    local c = commands[i]
    local kind = c[1]
    if kind == "deduct" then
      want(ids, seen_id, c[3])
      for _, line in ipairs(c[8]) do
        want(skus, seen_sku, line[1])
        if USER_LIMIT_MS > 0 then want(pairs_, seen_pair, c[4] .. PAIR .. line[1]) end
      end
    elseif kind == "adjust" then
      want(ids, seen_id, ADJUSTMENT .. c[3])
      want(skus, seen_sku, c[4])
    elseif kind == "stock" then
      want(skus, seen_sku, c[3])
    elseif kind == "lookup" then
      want(ids, seen_id, c[3])
    end
  end
  each_present(STOCK, skus, parse_stock)
  -- The generation that takes new lines is read last: when both have an order, it has all of its lines.
  local function take_order(id, packed) orders[id] = cmsgpack.unpack(packed) end
  each_present(ORDERS[1 - orders_gen], ids, take_order)
  each_present(ORDERS[orders_gen], ids, take_order)
  local function take_bought(pair, at) bought[pair] = tonumber(at) end
  each_present(LIMITS[1 - limits_gen], pairs_, take_bought)
  each_present(LIMITS[limits_gen], pairs_, take_bought)
end

-- A remembered line: {SKU, fingerprint, kind, amount, available after, seq, at, user}.
local function remembered(id, sku)
  local lines = orders[id]
  if lines then
    for i = 1, #lines do
      if lines[i][1] == sku then return lines[i] end
    end
  end
  return nil
end

local function remember(id, line)
  local lines = orders[id]
  if not lines then
    lines = {}
    orders[id] = lines
  end
  lines[#lines + 1] = line
  dirty_orders[id] = true
end

-- Writes `flat` (field, value, field, value, ...) in chunks.
local function hset(key, flat)
  for first = 1, #flat, CHUNK do
    redis.call("HSET", key, unpack(flat, first, math.min(first + CHUNK - 1, #flat)))
  end
end

local function pack_stock(sku)
  local s = stock[sku]
  local packed = string.format("%.0f %.0f", s.available, s.reserved)
  return s.policy and packed .. " " .. cjson.encode(s.policy) or packed
end

-- Fields of `dirty` with their values, flat.
local function flatten(dirty, value)
  local flat = {}
  for field in pairs(dirty) do
    flat[#flat + 1] = field
    flat[#flat + 1] = value(field)
  end
  return flat
end

local function commit(epoch)
  if #events == 0 then return end
  local id = string.format("%.0f-%.0f", epoch, seq)
  local entry = string.format("[%.0f,%s]", now, cjson.encode(events))
  local stock_args = flatten(dirty_stock, pack_stock)
  local orders_args = flatten(dirty_orders, function(order) return cmsgpack.pack(orders[order]) end)
  local bought_args = flatten(dirty_bought, function(pair) return string.format("%.0f", bought[pair]) end)

  redis.call("XADD", EVENTS, id, "v1", entry) -- first: nothing after it can be refused
  -- A generation that is a window old makes room: forgetting a day of orders is one UNLINK.
  if now - orders_since >= IDEMPOTENCY_WINDOW_MS then
    orders_gen, orders_since = 1 - orders_gen, now
    redis.call("UNLINK", ORDERS[orders_gen])
  end
  if USER_LIMIT_MS > 0 and now - limits_since >= USER_LIMIT_MS then
    limits_gen, limits_since = 1 - limits_gen, now
    redis.call("UNLINK", LIMITS[limits_gen])
  end
  hset(STOCK, stock_args)
  hset(ORDERS[orders_gen], orders_args)
  hset(LIMITS[limits_gen], bought_args)
  redis.call("HSET", META, "seq", string.format("%.0f", seq),
    "orders_gen", orders_gen, "orders_since", string.format("%.0f", orders_since),
    "limits_gen", limits_gen, "limits_since", string.format("%.0f", limits_since))
end
