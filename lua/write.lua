--[=[ write: the only part that writes. All arguments are made first; then XADD, then the other writes. ]=]

-- Writes `flat` (field, value, field, value, ...) in chunks.
local function write_flat(command, key, flat)
  for first = 1, #flat, CHUNK do
    redis.call(command, key, unpack(flat, first, math.min(first + CHUNK - 1, #flat)))
  end
end

local function pack_stock(sku)
  local s = stock[sku]
  local packed = string.format("%d %d", s.available, s.reserved)
  return s.policy and packed .. " " .. cjson.encode(s.policy) or packed
end

local function pack_quota(pair)
  return string.format("%.0f %.0f", quotas[pair].units, quotas[pair].sale)
end

-- Fields of `dirty` with their values, flat, behind those that `flat` has.
local function flatten(dirty, value, flat)
  flat = flat or {}
  for field in pairs(dirty) do
    flat[#flat + 1] = field
    flat[#flat + 1] = value(field)
  end
  return flat
end

-- Arguments of ZADD for open reservations, and of ZREM for closed ones.
local function expiry_args()
  local open, closed = {}, {}
  for id, expires in pairs(dirty_expiry) do
    if expires then
      open[#open + 1] = string.format("%.0f", expires)
      open[#open + 1] = id
    else
      closed[#closed + 1] = id
    end
  end
  return open, closed
end

-- A generation that is one window old is dropped: forgetting a day of orders is one UNLINK. Only lines that the ledger
-- has applied are forgotten, so that its copy is complete; and no hold before its end, under any earlier window: its
-- units would never return. Prepared lines end by a decision and not by time: they go by their number.
local function turn_orders()
  if now - orders_since < IDEMPOTENCY_WINDOW_MS or applied < turn_seq then return end
  if more_due or older_holds_end > now then return end
  local old = string.format("%.0f", PREPARED_SCORE + turn_seq)
  if #redis.call("ZRANGEBYSCORE", EXPIRY, PREPARED_SCORE, old, "LIMIT", 0, 1) > 0 then return end
  redis.call("UNLINK", ORDERS[1 - orders_gen])
  orders_gen, orders_since = 1 - orders_gen, now
  turn_seq, forgotten = head_before, turn_seq
  holds_end, older_holds_end = 0, holds_end
end

local function turn_limits()
  if USER_LIMIT_MS == 0 or now - limits_since < USER_LIMIT_MS then return end
  redis.call("UNLINK", LIMITS[1 - limits_gen])
  limits_gen, limits_since = 1 - limits_gen, now
end

-- Records the latest end of the holds that this call writes into the generation that takes new lines.
local function note_holds()
  for id in pairs(dirty_orders) do
    for _, line in ipairs(orders[id] or EMPTY) do
      if line[STATE] == "held" then holds_end = math.max(holds_end, line[EXPIRES]) end
    end
  end
end

-- Adds the events that are tables to the text of the entry.
local function encode_events()
  for i = 1, #events do
    log_size = log_size + 1
    log_text[log_size] = (log_size == 1 and "" or ",") .. cjson.encode(events[i])
    events[i] = nil
  end
end

-- The writes after XADD in commit are lost when a server refuses one; then this says that the log has the events.
local log_written = false

local function commit(epoch, replicas)
  local open, closed = expiry_args()
  flatten(dirty_bought, function(pair) return string.format("%.0f", bought[pair]) end, bought_args)
  if seq == head_before then
    write_flat("ZREM", EXPIRY, closed) -- reservations without held lines
    write_flat("HSET", LIMITS[limits_gen], bought_args) -- purchases that were later than a clock that was set back
    return
  end
  local id = string.format("%.0f-%.0f", epoch, seq)
  encode_events()
  local entry = string.format("[%.0f,[", now) .. table.concat(log_text) .. "]]"
  local stock_args = flatten(dirty_stock, pack_stock)
  local orders_args = flatten(dirty_orders, function(id)
    return orders[id] and cmsgpack.pack(orders[id]) or NO_LINES
  end, fresh_args)
  local quota_args = flatten(dirty_quotas, pack_quota)

  redis.call("XADD", EVENTS, id, "v1", entry) -- first: only XADD is refused by the state of the server or the stream
  log_written = true
  write_flat("ZADD", EXPIRY, open)
  write_flat("ZREM", EXPIRY, closed)
  turn_orders()
  turn_limits()
  note_holds()
  write_flat("HSET", STOCK, stock_args)
  write_flat("HSET", ORDERS[orders_gen], orders_args)
  write_flat("HSET", LIMITS[limits_gen], bought_args)
  write_flat("HSET", QUOTA, quota_args)
  local marks = { orders_since, turn_seq, forgotten, holds_end, older_holds_end }
  redis.call("HSET", META, "seq", string.format("%.0f", seq), "replicas", replicas,
    "orders_gen", orders_gen, "orders_since", string.format("%.0f", orders_since),
    "orders_marks", string.format("%.0f %.0f %.0f %.0f %.0f", unpack(marks)),
    "limits_gen", limits_gen, "limits_since", string.format("%.0f", limits_since))
end
