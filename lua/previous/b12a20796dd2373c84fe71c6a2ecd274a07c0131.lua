#!lua
--[=[ inventory: decides a batch of commands of one shard, in order, each at most once, and writes the facts to
  the log: all of it or nothing.

  KEYS[1] meta      {inventory:<shard>}:meta       hash: deployment, shards, armed, epoch, seq, applied,
                                                   orders_gen, orders_since, limits_gen, limits_since,
                                                   replicas, on_disk
  KEYS[2] stock     {inventory:<shard>}:stock      hash: SKU -> "<available> <reserved>[ <policy as JSON>]"
  KEYS[3] orders:0  {inventory:<shard>}:orders:0   hash: order id -> its lines (msgpack); \1 and an adjustment id,
                                                   or \2, an order id, \31 and a return id -> the same
  KEYS[4] orders:1  {inventory:<shard>}:orders:1   the other generation
  KEYS[5] limits:0  {inventory:<shard>}:limits:0   hash: user \31 SKU -> when the user last bought it, ms
  KEYS[6] limits:1  {inventory:<shard>}:limits:1   the other generation
  KEYS[7] quota     {inventory:<shard>}:quota      hash: user \31 SKU -> "<units bought> <policy's sale>"
  KEYS[8] expiry    {inventory:<shard>}:expiry     sorted set: order id of an open reservation -> when it lapses, ms
  KEYS[9] events    {inventory:<shard>}:events     stream: the log; entry id <epoch>-<seq of its last event>

  ARGV[1] commands            JSON array of commands; shapes below
  ARGV[2] epoch               as the caller last saw it, 0 = not yet
  ARGV[3] user limit          ms between two accepted purchases of a SKU by a user, 0 = off
  ARGV[4] idempotency window  ms that a line is remembered at least
  ARGV[5] backlog max         events that may wait for the ledger before new sales are refused
  ARGV[6] shards              the caller's SHARDS
  ARGV[7] deployment          whose ledger the caller knows; "" = none

  Commands (every deadline is ms since 1970 on this server's clock)
    ["deduct", deadline, order id, user id, fingerprint, actor, traceparent, [[SKU, amount], ...], hold, token]
    ["order", deadline, order id, user id, fingerprint, actor, traceparent, [[SKU, amount], ...], hold, token]
    ["reserve", deadline, order id, user id, fingerprint, actor, traceparent, [[SKU, amount], ...], hold, token]
    ["confirm", deadline, order id, fingerprint, actor, traceparent, lines or null]
    ["cancel", deadline, order id, actor, traceparent]
    ["extend", deadline, order id, hold, actor, traceparent]
    ["return", deadline, order id, return id, fingerprint, actor, traceparent, reason, [[SKU, amount], ...], sold or null]
    ["adjust", deadline, adjustment id, SKU, delta, fingerprint, actor, traceparent, reason, reference]
    ["set", deadline, adjustment id, SKU, available, expected or null, fingerprint, actor, traceparent, reason, reference]
    ["pause", deadline, SKU, actor, traceparent, reason]
    ["resume", deadline, SKU, actor, traceparent, reason]
    ["rules", deadline, SKU, opens or null, closes or null, quota or null, token, actor, traceparent]
    ["stock", deadline, SKU]
    ["lookup", deadline, order id]
    hold     ms that a reservation lasts from when it was made, else 0
    token    whether a purchase token came with it; in rules, whether a sale needs one
    lines    [[SKU, amount], ...];   sold   lines as they are remembered, see state.lua
    opens, closes   ms since 1970

  Reply   JSON, one of
    ["decided", now in ms, head of the log, [reply, ...], replicas, disk]   one reply a command, in order
    ["unarmed", now in ms]                                  not verified since this server changed: nothing done
    ["stale_epoch", now in ms, current epoch]               nothing done, ask again under that epoch
    ["stale_server", now in ms, epoch here]                 the caller has seen a newer epoch: nothing done
    ["foreign", now in ms, what]                            armed for another deployment, or another number of shards
    replicas   that must have this, in memory or (disk = 1) on disk, before anybody may hear the replies
  Replies of commands
    ["accepted", seq, [available, ...], expires]   done; one figure a line; expires in ms, 0 = never
    ["created", seq, [available], 0]               an adjustment that made the SKU
    ["replayed", seq, [available, ...], expires]   done before: the first answer again
    ["replayed_created", seq, [available], 0]
    ["settled", seq, state, [[SKU, units confirmed, available], ...]]            "confirmed" or "cancelled"
    ["replayed_settled", seq, state, [[SKU, units confirmed, available], ...]]
    ["extended", seq, expires]
    ["conflict", SKU]                     done before with other contents
    ["unknown_sku", SKU]
    ["unknown_order"]                     this shard remembers no sale of that id
    ["unknown_reservation"]
    ["already_confirmed"]
    ["already_cancelled"]
    ["reservation_expired"]
    ["exceeds", SKU, units]               more than is held, or was sold
    ["stale", SKU, available]             the stock is not what was expected
    ["paused", SKU]
    ["not_open", SKU, opens]
    ["sale_closed", SKU, closes]
    ["token_required", SKU]
    ["insufficient", SKU, available]
    ["rate_limited", SKU, retry after in ms]
    ["quota_exceeded", SKU, quota, left]
    ["stock_limit", SKU, available]       the sum would pass 10^12 units
    ["order_full"]                        the order has 100 lines in this shard
    ["backlog_full"]                      the ledger is too far behind to sell more
    ["late"]                              the deadline has passed: no effect, now or ever
    ["stock", SKU, available, reserved, seq, policy]
    ["order", lines or null]              lines as they are remembered; see state.lua

  Order   arming, reads, lapsed reservations, decisions, every argument, then writes with XADD first: it alone can
          still be refused (with meta lost and the stream kept, stock was taken and no event written when XADD came
          last). Redis does not roll back, so nothing after the first write may fail.
  Cost    n commands: O(n); 4 reads and 2 to 7 writes a batch, more only past 4000 fields. Without a sale: no write.
  If the caller dies, the same commands give the same replies. ]=]

--[=[ state: what a batch has read, and what it will write.

  A remembered line is {SKU, fingerprint, kind, amount, available after, seq, at, user, state, units, hold, expires,
  settled seq, settled fingerprint, settled units, settled available}. The last eight belong to sales; a line
  without them (an adjustment, a return) ends at the user.
    state   "accepted", "held", "confirmed", "cancelled", "expired"
    units   what is still sold or held

  Memory: a few tables a command; nothing lives longer than the call. ]=]

local META, STOCK, QUOTA, EXPIRY, EVENTS = KEYS[1], KEYS[2], KEYS[7], KEYS[8], KEYS[9]
local ORDERS = { [0] = KEYS[3], [1] = KEYS[4] }
local LIMITS = { [0] = KEYS[5], [1] = KEYS[6] }

local USER_LIMIT_MS = tonumber(ARGV[3])
local IDEMPOTENCY_WINDOW_MS = tonumber(ARGV[4])
local BACKLOG_MAX = tonumber(ARGV[5])

local QUANTITY_MAX = 1000000000000 -- 10^12: cjson prints 14 digits
local ORDER_LINES_MAX = 100
-- 4 h, and never longer than the order is remembered.
local HOLD_MAX_MS = math.min(14400000, IDEMPOTENCY_WINDOW_MS)
local CHUNK = 4000 -- arguments a call: unpack fails near 8000
local ADJUSTMENT, RETURN = "\1", "\2" -- before ids that are not order ids: no id holds a control character
local PAIR = "\31" -- between two ids, for the same reason

local SKU, FINGERPRINT, KIND, AMOUNT, ANSWER, SEQ, AT, USER = 1, 2, 3, 4, 5, 6, 7, 8
local STATE, UNITS, HOLD, EXPIRES, SETTLED_SEQ, SETTLED_FINGERPRINT, SETTLED_UNITS, SETTLED_ANSWER =
  9, 10, 11, 12, 13, 14, 15, 16

local LATE, BACKLOG_FULL, ORDER_FULL = { "late" }, { "backlog_full" }, { "order_full" }
local EMPTY = {}

local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local seq, applied             -- head of the log; last number known to be in the ledger
local orders_gen, orders_since -- generation that takes new lines, and since when
local limits_gen, limits_since
local stock = {}               -- SKU -> {available, reserved, policy}, or nil when unknown
local orders = {}              -- order key -> its remembered lines
local bought = {}              -- user and SKU -> ms
local quotas = {}              -- user and SKU -> {units, sale}
local dirty_stock, dirty_orders, dirty_bought, dirty_quotas, dirty_expiry = {}, {}, {}, {}, {}
local events = {}
local more_due = false         -- more reservations have lapsed than this call gives back

local function begin(meta)
  seq, applied = tonumber(meta[3]), tonumber(meta[4])
  orders_gen, orders_since = tonumber(meta[5]), tonumber(meta[6])
  limits_gen, limits_since = tonumber(meta[7]), tonumber(meta[8])
end

local function is_null(value) return value == nil or value == cjson.null end

local function remembered(id, sku)
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

local function held_lines(order)
  local held = {}
  for _, line in ipairs(orders[order] or EMPTY) do
    if line[STATE] == "held" then held[#held + 1] = line end
  end
  return held
end

-- All lines of an order that are held go together: when the longest of their holds ends.
local function latest_expiry(held)
  local latest = 0
  for _, line in ipairs(held) do latest = math.max(latest, line[EXPIRES]) end
  return latest
end

-- Changes a SKU's figures. Returns the line of the event.
local function move(sku, delta, reserved_delta)
  local s = stock[sku]
  s.available = s.available + delta
  s.reserved = s.reserved + reserved_delta
  dirty_stock[sku] = true
  return { sku, delta, reserved_delta, s.available, s.reserved }
end

-- What a user has bought of a SKU within its window; nil when the SKU has no quota. Few SKUs have one, so this
-- is read when it is needed.
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

-- Counts units that a user took (or gave back, below zero) by the sale with number `number`.
local function count_quota(user, sku, units, number)
  local count = quota_of(user, sku)
  if not count or number <= count.sale then return end -- bought before this window
  count.units = math.max(0, count.units + units)
  dirty_quotas[user .. PAIR .. sku] = true
end

--[=[ read: all that a batch will look at, each field once, in a few HMGETs in chunks. ]=]

-- Orders whose reservations have lapsed that one call gives back; more wait for the next call.
local DUE_MAX = 100

-- Calls `take(field, value)` for each of `fields` that the hash has.
local function each_present(key, fields, take)
  for first = 1, #fields, CHUNK do
    local values = redis.call("HMGET", key, unpack(fields, first, math.min(first + CHUNK - 1, #fields)))
    for i = 1, #values do
      if values[i] then take(fields[first + i - 1], values[i]) end
    end
  end
end

local function take_stock(sku, packed)
  local available, reserved, policy = string.match(packed, "^(%d+) (%d+) ?(.*)$")
  stock[sku] = {
    available = tonumber(available),
    reserved = tonumber(reserved),
    policy = policy ~= "" and cjson.decode(policy) or nil,
  }
end

local function take_order(id, packed) orders[id] = cmsgpack.unpack(packed) end

local function take_bought(pair, at) bought[pair] = tonumber(at) end

-- A list that takes each field once.
local function new_list()
  return { fields = {}, seen = {} }
end

local function want(list, field)
  if not list.seen[field] then
    list.seen[field] = true
    list.fields[#list.fields + 1] = field
  end
end

-- Order ids of reservations that have lapsed, the first first.
local function read_due()
  local due = redis.call("ZRANGEBYSCORE", EXPIRY, "-inf", string.format("%.0f", now), "LIMIT", 0, DUE_MAX)
  more_due = #due == DUE_MAX
  return due
end

-- What a command looks at.
local wants = {}

function wants.deduct(c, ids, skus, pairs_)
  want(ids, c[3])
  for _, line in ipairs(c[8]) do
    want(skus, line[1])
    if USER_LIMIT_MS > 0 then want(pairs_, c[4] .. PAIR .. line[1]) end
  end
end
wants.order, wants.reserve = wants.deduct, wants.deduct

function wants.confirm(c, ids) want(ids, c[3]) end
wants.cancel, wants.extend, wants.lookup = wants.confirm, wants.confirm, wants.confirm

wants["return"] = function(c, ids, skus)
  want(ids, c[3])
  want(ids, RETURN .. c[3] .. PAIR .. c[4])
  for _, line in ipairs(c[9]) do want(skus, line[1]) end
end

function wants.adjust(c, ids, skus)
  want(ids, ADJUSTMENT .. c[3])
  want(skus, c[4])
end
wants.set = wants.adjust

function wants.stock(c, _, skus) want(skus, c[3]) end
wants.pause, wants.resume, wants.rules = wants.stock, wants.stock, wants.stock

-- Commands that move the stock of whatever SKUs their order has.
local by_order = { confirm = true, cancel = true, extend = true }

local function prefetch(commands, due)
  local ids, skus, pairs_ = new_list(), new_list(), new_list()
  for _, id in ipairs(due) do want(ids, id) end
  for i = 1, #commands do
    local c = commands[i]
    wants[c[1]](c, ids, skus, pairs_)
  end
  -- The generation that takes new lines is read last: when both have an order, it has all of its lines.
  each_present(ORDERS[1 - orders_gen], ids.fields, take_order)
  each_present(ORDERS[orders_gen], ids.fields, take_order)
  for _, id in ipairs(due) do
    for _, line in ipairs(orders[id] or EMPTY) do want(skus, line[SKU]) end
  end
  for i = 1, #commands do
    local c = commands[i]
    if by_order[c[1]] then
      for _, line in ipairs(orders[c[3]] or EMPTY) do want(skus, line[SKU]) end
    end
  end
  each_present(STOCK, skus.fields, take_stock)
  each_present(LIMITS[1 - limits_gen], pairs_.fields, take_bought)
  each_present(LIMITS[limits_gen], pairs_.fields, take_bought)
end

--[=[ write: the one place that writes. Everything is turned into arguments first; then XADD, then the rest. ]=]

-- Writes `flat` (field, value, field, value, ...) in chunks.
local function write_flat(command, key, flat)
  for first = 1, #flat, CHUNK do
    redis.call(command, key, unpack(flat, first, math.min(first + CHUNK - 1, #flat)))
  end
end

local function pack_stock(sku)
  local s = stock[sku]
  local packed = string.format("%.0f %.0f", s.available, s.reserved)
  return s.policy and packed .. " " .. cjson.encode(s.policy) or packed
end

local function pack_quota(pair)
  return string.format("%.0f %.0f", quotas[pair].units, quotas[pair].sale)
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

-- Open reservations as ZADD wants them, and closed ones as ZREM does.
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

-- A generation that is a window old makes room: forgetting a day of orders is one UNLINK.
local function turn(generations, current, since, window)
  if window == 0 or now - since < window then return current, since end
  redis.call("UNLINK", generations[1 - current])
  return 1 - current, now
end

local function commit(epoch, replicas)
  local open, closed = expiry_args()
  if #events == 0 then
    write_flat("ZREM", EXPIRY, closed) -- reservations that had nothing held any more
    return
  end
  local id = string.format("%.0f-%.0f", epoch, seq)
  local entry = string.format("[%.0f,%s]", now, cjson.encode(events))
  local stock_args = flatten(dirty_stock, pack_stock)
  local orders_args = flatten(dirty_orders, function(order) return cmsgpack.pack(orders[order]) end)
  local bought_args = flatten(dirty_bought, function(pair) return string.format("%.0f", bought[pair]) end)
  local quota_args = flatten(dirty_quotas, pack_quota)

  redis.call("XADD", EVENTS, id, "v1", entry) -- first: nothing after it can be refused
  -- A hold may last as long as its order is remembered: forgotten before it lapsed, its units would never be back.
  if not more_due then
    orders_gen, orders_since = turn(ORDERS, orders_gen, orders_since, IDEMPOTENCY_WINDOW_MS)
  end
  limits_gen, limits_since = turn(LIMITS, limits_gen, limits_since, USER_LIMIT_MS)
  write_flat("HSET", STOCK, stock_args)
  write_flat("HSET", ORDERS[orders_gen], orders_args)
  write_flat("HSET", LIMITS[limits_gen], bought_args)
  write_flat("HSET", QUOTA, quota_args)
  write_flat("ZADD", EXPIRY, open)
  write_flat("ZREM", EXPIRY, closed)
  redis.call("HSET", META, "seq", string.format("%.0f", seq), "replicas", replicas,
    "orders_gen", orders_gen, "orders_since", string.format("%.0f", orders_since),
    "limits_gen", limits_gen, "limits_since", string.format("%.0f", limits_since))
end

--[=[ sell: takes the lines of one order, all or none: for good (deduct, order) or for a while (reserve).

  Checks, in this order, the same as in the memory store: replay, conflict, unknown SKU, paused, not open, closed,
  purchase token, stock, the user's limit, quota, room in the order, room in the backlog. A refusal is not
  remembered: stock may come back.

  Event   [kind, order id, user id, fingerprint, actor, traceparent, [line, ...], "", "", data]
  line    [SKU, change of available, change of reserved, available after, reserved after]
  data    reserve: {"expires", "hold"} in ms; else {} ]=]

-- The first answer if all lines were taken before, a conflict if they were taken otherwise, nil if none was.
local function past_answer(order, fingerprint, lines)
  local answer, known, first = {}, 0, nil
  for i = 1, #lines do
    local line = remembered(order, lines[i][1])
    if line then
      if line[FINGERPRINT] ~= fingerprint then return { "conflict", line[SKU] } end
      known = known + 1
      answer[i] = line[ANSWER]
      first = first or line
    end
  end
  if known == 0 then return nil end
  if known < #lines then return { "conflict", lines[1][1] } end
  return { "replayed", first[SEQ], answer, first[HOLD] > 0 and first[AT] + first[HOLD] or 0 }
end

-- Why a SKU is not for sale now, or nil.
local function closed_answer(sku, has_token)
  local policy = stock[sku].policy
  if not policy then return nil end
  if policy.paused then return { "paused", sku } end
  if policy.opens and now < policy.opens then return { "not_open", sku, policy.opens } end
  if policy.closes and now >= policy.closes then return { "sale_closed", sku, policy.closes } end
  if policy.token and not has_token then return { "token_required", sku } end
  return nil
end

-- Why this user may not buy these lines now, or nil.
local function unfair_answer(user, lines)
  for i = 1, USER_LIMIT_MS > 0 and #lines or 0 do
    local at = bought[user .. PAIR .. lines[i][1]]
    if at and now - at < USER_LIMIT_MS then
      return { "rate_limited", lines[i][1], math.min(USER_LIMIT_MS, at + USER_LIMIT_MS - now) }
    end
  end
  for i = 1, #lines do
    local sku, amount = lines[i][1], lines[i][2]
    local count = quota_of(user, sku)
    if count and count.units + amount > stock[sku].policy.quota then
      local quota = stock[sku].policy.quota
      return { "quota_exceeded", sku, quota, math.max(0, quota - count.units) }
    end
  end
  return nil
end

local function why_not(order, user, lines, has_token)
  for i = 1, #lines do
    if not stock[lines[i][1]] then return { "unknown_sku", lines[i][1] } end
  end
  for i = 1, #lines do
    local closed = closed_answer(lines[i][1], has_token)
    if closed then return closed end
  end
  for i = 1, #lines do
    local available = stock[lines[i][1]].available
    if available < lines[i][2] then return { "insufficient", lines[i][1], available } end
  end
  local unfair = unfair_answer(user, lines)
  if unfair then return unfair end
  if orders[order] and #orders[order] + #lines > ORDER_LINES_MAX then return ORDER_FULL end
  if seq - applied >= BACKLOG_MAX then return BACKLOG_FULL end
  return nil
end

local function sell(c)
  local kind, order, user, fingerprint, lines, hold = c[1], c[3], c[4], c[5], c[8], c[9]
  local refusal = orders[order] and past_answer(order, fingerprint, lines) or why_not(order, user, lines, c[10])
  if refusal then return refusal end

  seq = seq + 1
  local held = kind == "reserve"
  hold = math.min(hold, HOLD_MAX_MS)
  local expires = held and now + hold or 0
  local left, facts = {}, {}
  for i = 1, #lines do
    local sku, amount = lines[i][1], lines[i][2]
    facts[i] = move(sku, -amount, held and amount or 0)
    left[i] = facts[i][4]
    remember(order, {
      sku, fingerprint, kind, amount, left[i], seq, now, user,
      held and "held" or "accepted", amount, hold, expires, 0, "", 0, 0,
    })
    count_quota(user, sku, amount, seq)
    if USER_LIMIT_MS > 0 then
      bought[user .. PAIR .. sku] = now
      dirty_bought[user .. PAIR .. sku] = true
    end
  end
  if held then dirty_expiry[order] = latest_expiry(held_lines(order)) end
  local data = held and { expires = expires, hold = hold } or EMPTY
  events[#events + 1] = { kind, order, user, fingerprint, c[6], c[7], facts, "", "", data }
  return { "accepted", seq, left, expires }
end

--[=[ hold: what becomes of a reservation: confirmed (all of it, or fewer units: the rest returns), cancelled,
  extended, lapsed. All lines of an order that are held go together.

  Confirming or cancelling again gives the first answer; anything else that comes too late is told which it is:
  already_confirmed, already_cancelled, reservation_expired.

  Event   [kind, order id, user id, fingerprint, actor, traceparent, [line, ...], "", "", data]
  kind    "confirm", "cancel", "expire", "extend"; data of expire and extend: {"expires"} in ms ]=]

-- The answer to a call that finds nothing held. `want` is what it would have made of the reservation.
local function settled_answer(order, want, fingerprint)
  local lines, last = {}, nil
  for _, line in ipairs(orders[order] or EMPTY) do
    if line[KIND] == "reserve" then
      last = line
      lines[#lines + 1] = { line[SKU], line[SETTLED_UNITS], line[SETTLED_ANSWER] }
    end
  end
  if not last then return { "unknown_reservation" } end
  if last[STATE] == want and last[SETTLED_FINGERPRINT] == fingerprint then
    return { "replayed_settled", last[SETTLED_SEQ], want, lines }
  end
  if last[STATE] == "confirmed" then return { "already_confirmed" } end
  if last[STATE] == "cancelled" then return { "already_cancelled" } end
  return { "reservation_expired" }
end

-- Ends the hold of `held`: keeps `keep[SKU]` units of each line sold, gives the rest back.
local function settle(kind, state, order, held, keep, fingerprint, actor, traceparent)
  seq = seq + 1
  local facts, lines = {}, {}
  for i, line in ipairs(held) do
    local sku, units = line[SKU], line[UNITS]
    local kept = keep[sku] or 0
    facts[i] = move(sku, units - kept, -units)
    line[STATE], line[UNITS] = state, kept
    line[SETTLED_SEQ], line[SETTLED_FINGERPRINT] = seq, fingerprint
    line[SETTLED_UNITS], line[SETTLED_ANSWER] = kept, facts[i][4]
    count_quota(line[USER], sku, kept - units, line[SEQ])
    lines[i] = { sku, kept, facts[i][4] }
  end
  dirty_orders[order] = true
  dirty_expiry[order] = false
  events[#events + 1] = { kind, order, held[1][USER], fingerprint, actor, traceparent, facts, "", "", EMPTY }
  return { "settled", seq, state, lines }
end

local function confirm(c)
  local order, fingerprint, lines = c[3], c[4], c[7]
  local held = held_lines(order)
  if #held == 0 then return settled_answer(order, "confirmed", fingerprint) end
  local keep = {}
  if is_null(lines) then
    for _, line in ipairs(held) do keep[line[SKU]] = line[UNITS] end
  else
    local units = {}
    for _, line in ipairs(held) do units[line[SKU]] = line[UNITS] end
    for _, line in ipairs(lines) do
      local sku, amount = line[1], line[2]
      if amount > (units[sku] or 0) then return { "exceeds", sku, units[sku] or 0 } end
      keep[sku] = amount
    end
  end
  return settle("confirm", "confirmed", order, held, keep, fingerprint, c[5], c[6])
end

local function cancel(c)
  local order = c[3]
  local held = held_lines(order)
  if #held == 0 then return settled_answer(order, "cancelled", "") end
  return settle("cancel", "cancelled", order, held, EMPTY, "", c[4], c[5])
end

-- Lasts until `hold` after the reservation was made, never shorter than before: repeating it changes nothing.
local function extend(c)
  local order, hold = c[3], math.min(c[4], HOLD_MAX_MS)
  local held = held_lines(order)
  if #held == 0 then return settled_answer(order, "", "") end
  local expires, latest = held[1][AT] + hold, latest_expiry(held)
  if expires <= latest then return { "extended", seq, latest } end
  seq = seq + 1
  local facts = {}
  for i, line in ipairs(held) do
    line[EXPIRES] = expires
    facts[i] = move(line[SKU], 0, 0)
  end
  dirty_orders[order] = true
  dirty_expiry[order] = expires
  local data = { expires = expires }
  events[#events + 1] = { c[1], order, held[1][USER], "", c[5], c[6], facts, "", "", data }
  return { "extended", seq, expires }
end

-- Gives back what has lapsed, before anything looks at the stock.
local function lapse(due)
  for _, order in ipairs(due) do
    local held = held_lines(order)
    dirty_expiry[order] = false
    if #held > 0 then
      local expires = latest_expiry(held)
      settle("expire", "expired", order, held, EMPTY, "", "", "")
      events[#events][10] = { expires = expires }
    end
  end
end

--[=[ give_back: returns sold units to the stock, all or part, never more than was sold; the quota is given back.

  Idempotent by (order id, return id, SKU). A shard that has forgotten the order takes the caller's word for it
  (`sold`, the ledger's lines): a return may come long after the window. What it then remembers counts again.

  Event   ["return", order id, user id, fingerprint, actor, traceparent, [line, ...], reason, return id, {}] ]=]

local function give_back(c)
  local order, return_id, fingerprint, lines = c[3], c[4], c[5], c[9]
  local id = RETURN .. order .. PAIR .. return_id
  local past, known = {}, 0
  for i = 1, #lines do
    local line = remembered(id, lines[i][1])
    if line then
      if line[FINGERPRINT] ~= fingerprint then return { "conflict", line[SKU] } end
      known = known + 1
      past[i] = line
    end
  end
  if known > 0 and known < #lines then return { "conflict", lines[1][1] } end
  if known > 0 then
    local answer = {}
    for i = 1, #lines do answer[i] = past[i][ANSWER] end
    return { "replayed", past[1][SEQ], answer, 0 }
  end

  local known_lines = orders[order] or not is_null(c[10]) and c[10]
  if not known_lines then return { "unknown_order" } end
  local sold_lines = {}
  for _, line in ipairs(known_lines) do sold_lines[line[SKU]] = line end
  for i = 1, #lines do
    local sku, amount = lines[i][1], lines[i][2]
    local sold = sold_lines[sku]
    local units = sold and (sold[STATE] == "accepted" or sold[STATE] == "confirmed") and sold[UNITS] or 0
    if amount > units then return { "exceeds", sku, units } end
    if not stock[sku] then return { "unknown_sku", sku } end
    if stock[sku].available + stock[sku].reserved + amount > QUANTITY_MAX then
      return { "stock_limit", sku, stock[sku].available }
    end
  end

  seq = seq + 1
  orders[order] = known_lines
  local left, facts, user = {}, {}, ""
  for i = 1, #lines do
    local sku, amount = lines[i][1], lines[i][2]
    local sold = sold_lines[sku]
    user = sold[USER]
    sold[UNITS] = sold[UNITS] - amount
    facts[i] = move(sku, amount, 0)
    left[i] = facts[i][4]
    count_quota(user, sku, -amount, sold[SEQ])
    remember(id, { sku, fingerprint, "return", amount, left[i], seq, now, user })
  end
  dirty_orders[order] = true
  events[#events + 1] = { c[1], order, user, fingerprint, c[6], c[7], facts, c[8], return_id, EMPTY }
  return { "accepted", seq, left, 0 }
end

--[=[ stock: what a stock keeper asks. Never refused for a full backlog: it may be what is needed.

  adjust  adds `delta` units, and makes the SKU when delta >= 0.
  set     sets the available units if they are as expected; expected null makes the SKU.
          Both are idempotent by (adjustment id, SKU).
          Event [kind, adjustment id, "", fingerprint, actor, traceparent, [line], reason, reference, {}];
          kind is "create" for the one that made the SKU, else "adjust" or "set".
  pause, resume, rules  change the policy; nothing happens when it is so already.
          Event [kind, "", "", "", actor, traceparent, [line], reason, "", {"policy"}]
  policy  {"paused", "opens", "closes", "quota", "token", "sale"}: what does not apply is absent; `sale` is the
          number of the event that set window or quota, after which sales count for it
  stock   reads one SKU.   lookup  reads what this shard remembers of an order. ]=]

local function past_adjustment(id, sku, fingerprint)
  local past = remembered(id, sku)
  if not past then return nil end
  if past[FINGERPRINT] ~= fingerprint then return { "conflict", sku } end
  return { past[KIND] == "create" and "replayed_created" or "replayed", past[SEQ], { past[ANSWER] }, 0 }
end

-- Changes the stock of a SKU that may be new.
local function keep_stock(kind, id, sku, delta, fingerprint, actor, traceparent, reason, reference)
  local key = ADJUSTMENT .. id
  local s = stock[sku] or { available = 0, reserved = 0 }
  if s.available + delta < 0 then return { "insufficient", sku, s.available } end
  if s.available + s.reserved + delta > QUANTITY_MAX then return { "stock_limit", sku, s.available } end
  if orders[key] and #orders[key] >= ORDER_LINES_MAX then return ORDER_FULL end

  seq = seq + 1
  if not stock[sku] then kind = "create" end
  stock[sku] = s
  local fact = move(sku, delta, 0)
  remember(key, { sku, fingerprint, kind, delta, fact[4], seq, now, "" })
  events[#events + 1] = { kind, id, "", fingerprint, actor, traceparent, { fact }, reason, reference, EMPTY }
  return { kind == "create" and "created" or "accepted", seq, { fact[4] }, 0 }
end

local function adjust(c)
  local id, sku, delta, fingerprint = c[3], c[4], c[5], c[6]
  local past = past_adjustment(ADJUSTMENT .. id, sku, fingerprint)
  if past then return past end
  if not stock[sku] and delta < 0 then return { "unknown_sku", sku } end
  return keep_stock("adjust", id, sku, delta, fingerprint, c[7], c[8], c[9], c[10])
end

local function set(c)
  local id, sku, available, expected, fingerprint = c[3], c[4], c[5], c[6], c[7]
  local past = past_adjustment(ADJUSTMENT .. id, sku, fingerprint)
  if past then return past end
  local s = stock[sku]
  if not s and not is_null(expected) then return { "unknown_sku", sku } end
  if s and (is_null(expected) or expected ~= s.available) then return { "stale", sku, s.available } end
  return keep_stock("set", id, sku, available - (s and s.available or 0), fingerprint, c[8], c[9], c[10], c[11])
end

local function set_policy(kind, sku, policy, actor, traceparent, reason)
  stock[sku].policy = next(policy) and policy or nil
  local fact = move(sku, 0, 0)
  events[#events + 1] = { kind, "", "", "", actor, traceparent, { fact }, reason, "", { policy = policy } }
  return { "accepted", seq, { fact[4] }, 0 }
end

local function copy(policy)
  local all = {}
  for rule, value in pairs(policy or EMPTY) do all[rule] = value end
  return all
end

local function pause(c)
  local kind, sku = c[1], c[3]
  if not stock[sku] then return { "unknown_sku", sku } end
  local policy = copy(stock[sku].policy)
  local paused = kind == "pause" or nil
  if policy.paused == paused then return { "accepted", seq, { stock[sku].available }, 0 } end
  seq = seq + 1
  policy.paused = paused
  return set_policy(kind, sku, policy, c[4], c[5], c[6])
end

local function rules(c)
  local sku = c[3]
  if not stock[sku] then return { "unknown_sku", sku } end
  local before = stock[sku].policy or EMPTY
  local policy = { paused = before.paused }
  if not is_null(c[4]) then policy.opens = c[4] end
  if not is_null(c[5]) then policy.closes = c[5] end
  if not is_null(c[6]) then policy.quota = c[6] end
  if c[7] then policy.token = true end
  local same_window = policy.opens == before.opens and policy.closes == before.closes
    and policy.quota == before.quota
  if same_window and policy.token == before.token then return { "accepted", seq, { stock[sku].available }, 0 } end
  seq = seq + 1
  if same_window then
    policy.sale = before.sale
  elseif policy.quota then
    policy.sale = seq
  end
  return set_policy("rules", sku, policy, c[8], c[9], "")
end

local function read_stock(c)
  local s = stock[c[3]]
  if not s then return { "unknown_sku", c[3] } end
  return { "stock", c[3], s.available, s.reserved, seq, s.policy or EMPTY }
end

local function lookup(c)
  local lines = orders[c[3]]
  if not lines then return { "order", cjson.null } end
  -- A copy: a later command of this batch may change a line, and replies are encoded at the end.
  local all = {}
  for i, line in ipairs(lines) do all[i] = { unpack(line) } end
  return { "order", all }
end


local meta = redis.call("HMGET", META, "armed", "epoch", "seq", "applied",
  "orders_gen", "orders_since", "limits_gen", "limits_since", "shards", "deployment", "replicas", "on_disk")
local replication = redis.call("INFO", "replication")
local server = string.match(replication, "master_replid:(%x+)")
if not meta[1] or meta[1] ~= server then
  return cjson.encode({ "unarmed", now })
end

if meta[9] ~= ARGV[6] then return cjson.encode({ "foreign", now, "SHARDS=" .. meta[9] }) end
if ARGV[7] ~= "" and meta[10] ~= ARGV[7] then
  return cjson.encode({ "foreign", now, "deployment " .. meta[10] })
end

local epoch, caller_epoch = tonumber(meta[2]), tonumber(ARGV[2])
if caller_epoch > epoch then return cjson.encode({ "stale_server", now, epoch }) end
if caller_epoch < epoch then return cjson.encode({ "stale_epoch", now, epoch }) end

local decide = {
  deduct = sell,
  order = sell,
  reserve = sell,
  confirm = confirm,
  cancel = cancel,
  extend = extend,
  ["return"] = give_back,
  adjust = adjust,
  set = set,
  pause = pause,
  resume = pause,
  rules = rules,
  stock = read_stock,
  lookup = lookup,
}

local commands = cjson.decode(ARGV[1])
begin(meta)
local due = read_due()
prefetch(commands, due)
lapse(due)

local replies = {}
for i = 1, #commands do
  local command = commands[i]
  if command[2] < now then
    replies[i] = LATE
  else
    replies[i] = decide[command[1]](command)
  end
end

-- The worker says how many replicas could take this server's place. One that has acknowledged something since
-- counts from then on, unless it has been silent for 10 s.
local replicas, heard = tonumber(meta[11] or "0"), 0
for lag in string.gmatch(replication, "state=online,offset=[1-9]%d*,lag=(%d+)") do
  if tonumber(lag) <= 10 then heard = heard + 1 end
end
replicas = math.max(replicas, heard)

commit(epoch, replicas)

-- An empty table encodes as {}, so an empty batch is spelled out.
local body = #replies > 0 and cjson.encode(replies) or "[]"
return string.format('["decided",%.0f,%.0f,%s,%d,%d]', now, seq, body, replicas, tonumber(meta[12] or "0"))
