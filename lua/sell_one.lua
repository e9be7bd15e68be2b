--[=[ sell_one: sells one SKU to an order id that is new, as nearly every command is, or refuses it when it is sold
  out. Whatever may be replayed, refused or counted otherwise is left to sell.lua; the effect is the same.

  It makes no table an order: a remembered line is packed around parts that are packed once for all, its event goes into the
  text of the entry piece by piece, and its reply is a joined text. With what decide.lua does not load, a call of 16 to
  64 such commands takes 0.6 × as long. ]=]

local format, pack = string.format, cmsgpack.pack
-- An integer -> its decimal digits; for those that repeat.
local digits = setmetatable({}, {
  __index = function(known, number)
    known[number] = format("%d", number)
    return known[number]
  end,
})
-- Units -> packed; for those that repeat. Every argument of pack becomes a string of its own.
local packed_units = setmetatable({}, {
  __index = function(known, units)
    known[units] = pack(units)
    return known[units]
  end,
})
-- Length of a text -> what stands before it when it is packed.
local text_heads = setmetatable({}, {
  __index = function(known, length)
    known[length] = string.sub(pack(string.rep("x", length)), 1, -1 - length)
    return known[length]
  end,
})
-- Units -> the end of a remembered line from its state on.
local line_ends = setmetatable({}, {
  __index = function(known, units)
    known[units] = pack("accepted", units, 0, 0, 0, "", 0, 0)
    return known[units]
  end,
})
-- Units that are reserved -> the end of an event.
local event_ends = setmetatable({}, {
  __index = function(known, reserved)
    known[reserved] = "," .. digits[reserved] .. ']],"","",{}]'
    return known[reserved]
  end,
})
-- Actor -> what is between the user and the SKU in an event without a trace.
local callers = setmetatable({}, {
  __index = function(known, actor)
    known[actor] = '","","' .. actor .. '","",[["'
    return known[actor]
  end,
})
local now_digits, packed_now = digits[now], pack(now)
local sold_seq = -1 -- of the last plain sale of this call; -1 = none, as no event has the number 0

-- The reply to the plain sale at a position, or nil when it is left to sell.lua. `pair`: its user's limit, if it was read.
local function sell_one(commands, position, pair)
  local order, user, actor = commands[position + 1], commands[position + 2], commands[position + 3]
  local sku, amount = commands[position + 5], commands[position + 6]
  local s = stock[sku]
  if not s or s.policy or packed[order] or fresh[order] or rawget(orders, order) then return nil end
  if s.available < amount then
    if more_due then return nil end -- reservations that have expired may hold the units
    return '["insufficient","' .. sku .. '",' .. digits[s.available] .. "]"
  end
  if pair and bought[pair] or seq - applied >= BACKLOG_MAX then return nil end
  seq = seq + 1
  s.available = s.available - amount
  dirty_stock[sku] = true
  local left = format("%d", s.available)

  local array, owner = "\145\220\0\16", "" -- msgpack: an array of one array of 16 positions
  if actor ~= "" then array, owner = "\145\220\0\17", pack(actor) end
  s.line_start = s.line_start or pack(sku, "", "deduct")
  local line = array .. s.line_start .. packed_units[amount] .. pack(s.available, seq) .. packed_now
    .. text_heads[#user] .. user .. line_ends[amount] .. owner
  fresh[order] = line
  local sold = #fresh_args
  fresh_args[sold + 1], fresh_args[sold + 2] = order, line
  if pair then
    bought[pair] = now
    local count = #bought_args
    bought_args[count + 1], bought_args[count + 2] = pair, now_digits
  end

  if events[1] then encode_events() end
  local traceparent = commands[position + 4]
  s.fact_starts = s.fact_starts or {}
  local fact_start = s.fact_starts[amount]
  if not fact_start then
    fact_start = sku .. '",-' .. digits[amount] .. ",0,"
    s.fact_starts[amount] = fact_start
  end
  local n = log_size
  log_text[n + 1] = n == 0 and '["deduct","' or ',["deduct","'
  log_text[n + 2], log_text[n + 3], log_text[n + 4] = order, '","', user
  log_text[n + 5] = traceparent == "" and callers[actor] or '","","' .. actor .. '","' .. traceparent .. '",[["'
  log_text[n + 6], log_text[n + 7], log_text[n + 8] = fact_start, left, event_ends[s.reserved]
  log_size = n + 8
  sold_seq = sold_seq + 1
  if seq == sold_seq then return left end
  sold_seq = seq
  return '["sold",' .. format("%d", seq) .. "," .. left .. "]"
end
