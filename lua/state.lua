--[=[ state: the values that a batch has read, and those that it will write.

  A remembered line is {SKU, "", kind, amount, available after, seq, at, user, state, units, hold, expires,
  settled seq, "", settled units, settled available, actor}. The last nine belong to sales; a line without them (an
  adjustment, a return) ends at the user. Earlier versions kept digests in the two
  empty positions; nothing reads them.
    actor   name of the token that made the sale. Absent when access was open, for imported sales, and in lines of
            earlier versions: such a line belongs to every token
    state   "accepted", "held", "confirmed", "cancelled", "expired"
    units   that are still sold or reserved
  Lines of one command have the same seq. An order id has at most one reservation in a shard, so its lines of kind
  "reserve" are one command's and have one state.

  Memory: a few tables a command; nothing lives longer than the call. ]=]

local META, STOCK, QUOTA, EXPIRY, EVENTS = KEYS[1], KEYS[2], KEYS[7], KEYS[8], KEYS[9]
local ORDERS = { [0] = KEYS[3], [1] = KEYS[4] }
local LIMITS = { [0] = KEYS[5], [1] = KEYS[6] }

-- The settings in force: `begin` reads them from `meta`.
local USER_LIMIT_MS, IDEMPOTENCY_WINDOW_MS, BACKLOG_MAX
local HOLD_MAX_MS -- HOLD_LONGEST_MS, and never longer than the order is remembered

local HOLD_LONGEST_MS = 14400000 -- 4 h
local QUANTITY_MAX = 1000000000000 -- 10^12: cjson prints 14 digits
local ORDER_LINES_MAX = 100
local CLOSED_MS = 86400000 -- for so long sweep.lua keeps what users bought of a closed sale
local CHUNK = 4000 -- arguments a call: unpack fails near 8000
local ADJUSTMENT, RETURN = "\1", "\2" -- before ids that are not order ids: no id holds a control character
local PAIR = "\31" -- between two ids, for the same reason

local SKU, KIND, AMOUNT, ANSWER, SEQ, AT, USER = 1, 3, 4, 5, 6, 7, 8
local STATE, UNITS, HOLD, EXPIRES, SETTLED_SEQ, SETTLED_UNITS, SETTLED_ANSWER = 9, 10, 11, 12, 13, 15, 16
local ACTOR = 17

-- Remembered lines that one call reads for its commands, and lines that it releases because their holds have ended.
-- To unpack a line, or to reply with it, takes 1 to 10 us, and every other client of the server waits for the call.
local READ_LINES_MAX = 256
local LAPSE_LINES_MAX = 256

local LATE, BACKLOG_FULL, ORDER_FULL = { "late" }, { "backlog_full" }, { "order_full" }
local MORE_DUE = { "postponed", 0 }
local FORBIDDEN = { "forbidden" }
local EMPTY = {}
-- The reply to a call after the end of a reservation, by the reservation's state.
local ENDED = {
  confirmed = { "already_confirmed" },
  cancelled = { "already_cancelled" },
  expired = { "reservation_expired" },
}

local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local seq, applied             -- head of the log; last number known to be in the ledger
local orders_gen, orders_since -- generation that takes new lines, and since when
local limits_gen, limits_since
local turn_seq, forgotten      -- last number before that generation; last number that may be forgotten
local holds_end, older_holds_end -- when the last hold ends, of the generation that takes new lines and of the other
local stock = {}               -- SKU -> {available, reserved, policy}, or nil when unknown
local packed = {}              -- order key -> its lines as read, until they are first used
local fresh = {}               -- order key -> its one line as it will be written: a sale of one SKU in this call
local read_lines = 0           -- number of lines that this call has read for its commands
local bought = {}              -- user and SKU -> ms
local quotas = {}              -- user and SKU -> {units, sale}
local dirty_stock, dirty_orders, dirty_bought, dirty_quotas, dirty_expiry = {}, {}, {}, {}, {}
local events = {}
local more_due = false         -- more reservations have expired than this call releases

-- order key -> its remembered lines. They are unpacked on first use: most refusals read none.
local orders = setmetatable({}, {
  __index = function(unpacked, id)
    local bytes = packed[id] or fresh[id]
    if not bytes then return nil end
    local lines = cmsgpack.unpack(bytes)
    packed[id], fresh[id], unpacked[id] = nil, nil, lines
    return lines
  end,
})
-- Reads `orders_marks`: "<orders_since> <turn_seq> <forgotten> <holds_end> <older_holds_end>".
local function read_marks(marks, since)
  local pattern = "^(%d+) (%d+) (%d+) (%d+) (%d+)$"
  local noted_since, turned, last, ends, older_ends = string.match(marks or "", pattern)
  if noted_since == since then
    turn_seq, forgotten = tonumber(turned), tonumber(last)
    holds_end, older_holds_end = tonumber(ends), tonumber(older_ends)
  else
    -- A new shard, a restored one, or generations that an earlier version of the script rotated: it is unknown what
    -- may be forgotten, and which generation has the open holds.
    local held = redis.call("ZRANGEBYSCORE", EXPIRY, "-inf", "+inf", "LIMIT", 0, 1)
    turn_seq, forgotten = seq, seq
    holds_end = #held > 0 and now + HOLD_LONGEST_MS or 0
    older_holds_end = holds_end
  end
end

local function begin(meta)
  local user_limit, window, backlog = string.match(meta[13], "^(%d+) (%d+) (%d+)$")
  USER_LIMIT_MS, IDEMPOTENCY_WINDOW_MS, BACKLOG_MAX = tonumber(user_limit), tonumber(window), tonumber(backlog)
  HOLD_MAX_MS = math.min(HOLD_LONGEST_MS, IDEMPOTENCY_WINDOW_MS)
  seq, applied = tonumber(meta[3]), tonumber(meta[4])
  read_marks(meta[14], meta[6])
  -- A generation that began later than now began before the clock was set back: it counts from now.
  orders_gen, orders_since = tonumber(meta[5]), math.min(now, tonumber(meta[6]))
  limits_gen, limits_since = tonumber(meta[7]), math.min(now, tonumber(meta[8]))
end

local function is_null(value) return value == nil or value == cjson.null end

-- Number of lines of an order that are not unpacked yet. A msgpack array of up to 15 has its length in the first
-- byte, a longer one in the next two.
local function packed_lines(id)
  if not packed[id] then return 0 end
  local first, high, low = string.byte(packed[id], 1, 3)
  return first >= 0x90 and first <= 0x9f and first - 0x90 or high * 256 + low
end

-- Number of remembered lines of an order.
local function count_lines(id)
  return packed[id] and packed_lines(id) or #(orders[id] or EMPTY)
end

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

local function held_lines(order)
  local held = {}
  for _, line in ipairs(orders[order] or EMPTY) do
    if line[STATE] == "held" then held[#held + 1] = line end
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
