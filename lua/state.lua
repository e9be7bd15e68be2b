--[=[ state: the values that a batch has read, and those that it will write.

  A remembered line is {SKU, attempt, kind, amount, available after, seq, at, user, state, units, hold, expires,
  settled seq, "", settled units, settled available, actor}. The last nine belong to sales; a line without them (an
  adjustment, a return) ends at the user. Earlier versions kept digests in the empty
  position, and in the second one of all lines but prepared ones; nothing reads them.
    attempt of a prepared line's basket, also after its decision; else empty
    actor   name of the token that made the sale. Absent when access was open, for imported sales, and in lines of
            earlier versions: such a line belongs to every token
    state   "accepted", "held", "confirmed", "cancelled", "expired". A prepared line is held until it is "accepted"
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
local PLAIN_SALE = 8 -- positions of a plain sale in the array of commands
local CHUNK = 4000 -- arguments a call: unpack fails near 8000
local ADJUSTMENT, RETURN = "\1", "\2" -- before ids that are not order ids: no id holds a control character
local PAIR = "\31" -- between two ids, for the same reason
local NO_LINES = "\144" -- msgpack: an empty array. An order without lines: it hides those of the other generation
local PREPARED_SCORE = 4000000000000000 -- 4 × 10^15, a time that never comes: plus the number that prepared the lines

local SKU, USER, STATE, EXPIRES = 1, 8, 9, 12 -- positions in a line; the others are in lines.lua

-- Remembered lines that one call reads for its commands, and lines that it releases because their holds have ended.
-- To unpack a line, or to reply with it, takes 1 to 10 us, and every other client of the server waits for the call.
local READ_LINES_MAX = 256
local LAPSE_LINES_MAX = 256

local EMPTY = {}

local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local seq, applied             -- head of the log; last number known to be in the ledger
local head_before              -- head of the log before this call
local orders_gen, orders_since -- generation that takes new lines, and since when
local limits_gen, limits_since
local turn_seq, forgotten      -- last number before that generation; last number that may be forgotten
local holds_end, older_holds_end -- when the last hold ends, of the generation that takes new lines and of the other
local stock = {}               -- SKU -> {available, reserved, policy}, or nil when unknown
local packed = {}              -- order key -> its lines as read, until they are first used
local fresh = {}               -- order key -> its one line as it will be written: a sale of one SKU in this call
local fresh_args = {}          -- the same as arguments of HSET: a line that changes in this call is written again later
local read_lines = 0           -- number of lines that this call has read for its commands
local bought = {}              -- user and SKU -> ms
local bought_args = {}         -- purchases of this call as arguments of HSET
local quotas = {}              -- user and SKU -> {units, sale}
local dirty_stock, dirty_orders, dirty_bought, dirty_quotas, dirty_expiry = {}, {}, {}, {}, {}
local events = {}              -- of the commands since the last plain sale, each a table
local log_text, log_size = {}, 0 -- pieces of the entry's text, the events before those: their number
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
    local held = redis.call("ZRANGEBYSCORE", EXPIRY, "-inf", "(" .. PREPARED_SCORE, "LIMIT", 0, 1)
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
  head_before = seq
  read_marks(meta[14], meta[6])
  -- A generation that began later than now began before the clock was set back: it counts from now.
  orders_gen, orders_since = tonumber(meta[5]), math.min(now, tonumber(meta[6]))
  limits_gen, limits_since = tonumber(meta[7]), math.min(now, tonumber(meta[8]))
end

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
