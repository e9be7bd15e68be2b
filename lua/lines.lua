--[=[ lines: how the decisions but the plain sale of one SKU read and change remembered lines, stock and quotas. ]=]

local QUANTITY_MAX = 1000000000000 -- 10^12: cjson prints 14 digits
local ORDER_LINES_MAX = 100
local CLOSED_MS = 86400000 -- for so long sweep.lua keeps what users bought of a closed sale

local KIND, AMOUNT, ANSWER, SEQ, AT = 3, 4, 5, 6, 7
local UNITS, HOLD, SETTLED_SEQ, SETTLED_UNITS, SETTLED_ANSWER, ACTOR = 10, 11, 13, 15, 16, 17

local BACKLOG_FULL, ORDER_FULL, FORBIDDEN = { "backlog_full" }, { "order_full" }, { "forbidden" }
local MORE_DUE = { "postponed", 0 }
local PENDING = { "pending" }
local PREPARED = "\3" -- before the id of an order with prepared lines, in `expiry`
-- The reply to a call after the end of a reservation, by the reservation's state.
local ENDED = {
  confirmed = { "already_confirmed" },
  cancelled = { "already_cancelled" },
  expired = { "reservation_expired" },
}

local function is_null(value) return value == nil or value == cjson.null end

-- Whether an order may have a line of one of these SKUs: false without unpacking it, where it has none.
local function may_have(id, lines)
  if not packed[id] then return true end
  for i = 1, #lines do
    if string.find(packed[id], lines[i][1], 1, true) then return true end
  end
  return false
end

local function remembered(id, sku)
  if not may_have(id, { { sku } }) then return nil end
  local lines = orders[id]
  if lines then
    for i = 1, #lines do
      if lines[i][SKU] == sku then return lines[i] end
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

-- Finds a repeated command. Returns its lines out of those `known` under its id, in the order of `lines`,
-- when kind, user (nil = not compared), SKUs and amounts are the same; else nil and the first SKU that differs; nil
-- alone when no SKU of it is known.
local function past_lines(known, kind, user, lines)
  local by_sku, past, first, of_command = {}, {}, nil, 0
  for _, line in ipairs(known or EMPTY) do by_sku[line[SKU]] = line end
  for i = 1, #lines do
    past[i] = by_sku[lines[i][1]]
    first = first or past[i]
  end
  if not first then return nil end
  for i = 1, #lines do
    local line = past[i]
    if not line or line[SEQ] ~= first[SEQ] or line[KIND] ~= kind or line[AMOUNT] ~= lines[i][2]
      or user and line[USER] ~= user then
      return nil, lines[i][1]
    end
  end
  for _, line in pairs(by_sku) do
    if line[SEQ] == first[SEQ] then of_command = of_command + 1 end
  end
  if of_command > #lines then return nil, lines[1][1] end
  return past
end

-- The last line of an order's reservation, or nil.
local function reserved_line(order)
  if packed[order] and not string.find(packed[order], "reserve", 1, true) then return nil end
  local last = nil
  for _, line in ipairs(orders[order] or EMPTY) do
    if line[KIND] == "reserve" then last = line end
  end
  return last
end

-- The lines that are prepared for a basket of several shards, and not decided. An order has one such attempt at a time.
local function prepared_lines(order)
  local prepared = {}
  if packed[order] and not string.find(packed[order], "prepare", 1, true) then return prepared end
  for _, line in ipairs(orders[order] or EMPTY) do
    if line[STATE] == "held" and line[KIND] == "prepare" then prepared[#prepared + 1] = line end
  end
  return prepared
end

local function held_lines(order)
  local held = {}
  for _, line in ipairs(orders[order] or EMPTY) do
    if line[STATE] == "held" and line[KIND] == "reserve" then held[#held + 1] = line end
  end
  return held
end

-- Whether a token other than `owner` made a line. An owner of "" may change every line.
local function is_foreign(line, owner)
  return owner ~= "" and line[ACTOR] ~= nil and line[ACTOR] ~= owner
end

-- Whether a SKU may have units of expired reservations that do not count as available yet.
local function may_be_freed(sku)
  return more_due and stock[sku].reserved > 0
end

-- Changes a SKU's stock. Returns the line of the event.
local function move(sku, delta, reserved_delta)
  local s = stock[sku]
  s.available = s.available + delta
  s.reserved = s.reserved + reserved_delta
  dirty_stock[sku] = true
  return { sku, delta, reserved_delta, s.available, s.reserved }
end

-- Units that a user has bought of a SKU within its window; nil when the SKU has no quota. Few SKUs have a quota, so
-- this is read when it is needed.
local function quota_of(user, sku)
  local policy = stock[sku].policy
  if not policy or not policy.quota then return nil end
  local pair = user .. PAIR .. sku
  local count = quotas[pair]
  if not count then
    local packed = redis.call("HGET", QUOTA, pair)
    local units, sale = string.match(packed or "", "^(%d+) (%d+)$")
    count = { units = tonumber(units or 0), sale = tonumber(sale or 0) }
    quotas[pair] = count
  end
  if count.sale ~= (policy.sale or 0) then count.units, count.sale = 0, policy.sale or 0 end
  return count
end

-- Counts units that a user bought (or returned, below zero) by the sale with number `number`.
local function count_quota(user, sku, units, number)
  local count = quota_of(user, sku)
  if not count or number <= count.sale then return end -- bought before this window
  count.units = math.max(0, count.units + units)
  dirty_quotas[user .. PAIR .. sku] = true
end
