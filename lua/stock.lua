--[=[ stock: the commands of stock management. Never refused for a full backlog, which they may help to resolve.

  adjust  adds `delta` units, and makes the SKU when delta >= 0. With a second sale it returns at most `delta` units,
          and the order's line has the units that remain sold.
  set     sets the available units if they are as expected; expected null: the SKU has no stock yet, and gets its first.
          Both are idempotent by (adjustment id, SKU).
          Event [kind, adjustment id, "", "", actor, traceparent, [line], reason, reference, data];
          kind is "create" for the one that made the SKU, else "adjust" or "set". Data is {}; {"policy"} when it ends
          `unstocked`.
  pause, resume, rules  change the policy; no effect when it has that value already.
          Event [kind, "", "", "", actor, traceparent, [line], reason, "", {"policy"}]
          rules replaces all rules but the pause, when their version is the one that the caller expects; an unknown SKU
          is created without stock.
  policy  {"paused", "opens", "closes", "quota", "token", "sale", "version", "unstocked"}: absent where not set
          sale       number of the event after which sales count for the quota: it set a quota where there was none,
                     another `opens`, or any rule a day or more after `closes`, when the counts may be dropped (sweep.lua)
          version    number of the event that set the rules
          unstocked  true: the SKU was made by rules and has had no stock yet
  stock   reads one SKU.   lookup  reads what this shard remembers of an order. ]=]

-- The first reply if the same change was made before, a conflict if another one was, nil if none was. The request
-- follows from the remembered line: a `set` expected the stock after it minus the change, a `create` no SKU.
local function past_adjustment(id, sku, is_same)
  local past = remembered(id, sku)
  if not past then return nil end
  if not is_same(past) then return { "conflict", sku } end
  return { past[KIND] == "create" and "replayed_created" or "replayed", past[SEQ], { past[ANSWER] }, 0 }
end

local function copy(policy)
  local all = {}
  for rule, value in pairs(policy or EMPTY) do all[rule] = value end
  return all
end

-- Whether a SKU has had no stock yet: it is unknown, or was made by its rules.
local function is_unstocked(sku)
  local s = stock[sku]
  return not s or s.policy ~= nil and s.policy.unstocked == true
end

-- Changes the stock of a SKU that may be new. `is_first`: an event of kind "create".
local function keep_stock(kind, id, sku, delta, is_first, actor, traceparent, reason, reference)
  local key = ADJUSTMENT .. id
  local s = stock[sku] or { available = 0, reserved = 0 }
  if s.available + delta < 0 then
    return stock[sku] and may_be_freed(sku) and MORE_DUE or { "insufficient", sku, s.available }
  end
  if s.available + s.reserved + delta > QUANTITY_MAX then return { "stock_limit", sku, s.available } end
  if orders[key] and #orders[key] >= ORDER_LINES_MAX then return ORDER_FULL end

  seq = seq + 1
  local unstocked = s.policy and s.policy.unstocked
  if is_first then kind = "create" end
  stock[sku] = s
  if unstocked then
    s.policy = copy(s.policy)
    s.policy.unstocked = nil
  end
  local fact = move(sku, delta, 0)
  remember(key, { sku, "", kind, delta, fact[4], seq, now, "" })
  local data = unstocked and { policy = s.policy } or EMPTY
  events[#events + 1] = { kind, id, "", "", actor, traceparent, { fact }, reason, reference, data }
  return { kind == "create" and "created" or "accepted", seq, { fact[4] }, 0 }
end

-- The units of a second sale to return, and its line if it is remembered, with the units that remain sold. Returned
-- units count for the first sale, up to its units; the rest was of the second sale, and has returned already.
local function undo(second, sku, amount)
  local order, number, sold, returned = unpack(second)
  local line = remembered(order, sku)
  if line and line[SEQ] ~= number then line = nil end
  if line then returned = line[AMOUNT] - line[UNITS] end
  return amount - math.max(0, returned - sold), line, math.max(0, sold - returned)
end

local function adjust(c)
  local id, sku, delta, second = c[3], c[4], c[5], not is_null(c[10]) and c[10]
  local past = past_adjustment(ADJUSTMENT .. id, sku, function(line)
    return line[KIND] ~= "set" and (second or line[AMOUNT] == delta)
  end)
  if past then return past end
  if not stock[sku] and delta < 0 then return { "unknown_sku", sku } end
  local line, units = nil, 0
  if second then delta, line, units = undo(second, sku, delta) end
  local reply = keep_stock("adjust", id, sku, delta, is_unstocked(sku), c[6], c[7], c[8], c[9])
  if line and reply[1] == "accepted" then
    line[UNITS] = math.min(units, line[AMOUNT])
    dirty_orders[second[1]] = true
  end
  return reply
end

local function set(c)
  local id, sku, available, expected = c[3], c[4], c[5], c[6]
  local past = past_adjustment(ADJUSTMENT .. id, sku, function(line)
    if line[ANSWER] ~= available then return false end
    if is_null(expected) then return line[KIND] == "create" end
    return line[KIND] == "set" and line[ANSWER] - line[AMOUNT] == expected
  end)
  if past then return past end
  local s = stock[sku]
  if not s and not is_null(expected) then return { "unknown_sku", sku } end
  local is_first = is_null(expected) and is_unstocked(sku)
  if s and not is_first and (is_null(expected) or expected ~= s.available) then
    return may_be_freed(sku) and MORE_DUE or { "stale", sku, s.available }
  end
  return keep_stock("set", id, sku, available - (s and s.available or 0), is_first, c[7], c[8], c[9], c[10])
end

local function set_policy(kind, sku, policy, actor, traceparent, reason)
  stock[sku].policy = next(policy) and policy or nil
  local fact = move(sku, 0, 0)
  events[#events + 1] = { kind, "", "", "", actor, traceparent, { fact }, reason, "", { policy = policy } }
  return { "accepted", seq, { fact[4] }, 0 }
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

-- Whether sales count anew for the quota of `policy`.
local function starts_anew(before, policy)
  return not before.quota
    or policy.opens ~= nil and policy.opens ~= before.opens
    or before.closes ~= nil and before.closes + CLOSED_MS < now
end

local function rules(c)
  local sku, expected = c[3], c[8]
  local s = stock[sku]
  if not s and not is_null(expected) then return { "unknown_sku", sku } end
  local before = s and s.policy or EMPTY
  local version = before.version or 0
  local policy = { paused = before.paused, unstocked = before.unstocked }
  if not is_null(c[4]) then policy.opens = c[4] end
  if not is_null(c[5]) then policy.closes = c[5] end
  if not is_null(c[6]) then policy.quota = c[6] end
  if c[7] then policy.token = true end
  local is_same = policy.opens == before.opens and policy.closes == before.closes
    and policy.quota == before.quota and policy.token == before.token
  if s and is_same then return { "accepted", version, { s.available }, 0 } end
  if s and (is_null(expected) or expected ~= version) then return { "stale_rules", sku, version } end
  seq = seq + 1
  policy.version = seq
  if policy.quota then policy.sale = starts_anew(before, policy) and seq or before.sale end
  if not s then
    stock[sku] = { available = 0, reserved = 0 }
    policy.unstocked = true
  end
  local reply = set_policy("rules", sku, policy, c[9], c[10], "")
  if not s then reply[1] = "created" end
  return reply
end

local function read_stock(c)
  local s = stock[c[3]]
  if not s then return { "unknown_sku", c[3] } end
  if may_be_freed(c[3]) then return MORE_DUE end
  return { "stock", c[3], s.available, s.reserved, seq, s.policy or EMPTY }
end

local function lookup(c)
  local lines = orders[c[3]]
  if not lines then return { "order", cjson.null, forgotten, IDEMPOTENCY_WINDOW_MS } end
  -- A copy: a later command of this batch may change a line, and replies are encoded at the end.
  local all = {}
  for i, line in ipairs(lines) do all[i] = { unpack(line) } end
  return { "order", all, forgotten, IDEMPOTENCY_WINDOW_MS }
end
