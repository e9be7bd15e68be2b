--[=[ sell: sells (deduct, order), reserves (reserve) or prepares (prepare) the lines of one order, all or none.

  Checks, in this order, the same as in the memory store: replay, conflict, unknown SKU, paused, not open, closed,
  purchase token, stock, the user's limit, quota, room in the order, room in the backlog. A refusal is not
  remembered, because stock may return.

  A reserve whose order id already has a reservation gets the first reply again while that one is held and has the
  same contents (`hold` is one of them), else a conflict; after its end the reply is the state in which it ended.

  A prepare takes the units of this shard's part of a basket of several shards, as a reservation that has no end. While
  an earlier attempt of the order is prepared here and not decided, the reply is pending.

  Event   [kind, order id, user id, "", actor, traceparent, [line, ...], "", attempt, data]
  line    [SKU, change of available, change of reserved, available after, reserved after]
  attempt prepare: that of the basket; else ""
  data    reserve: {"expires", "hold"} in ms; else {} ]=]

-- The reply to a sale whose order id is already known, before all other checks; nil when the order id is new.
local function past_answer(kind, order, user, lines, hold)
  if kind == "prepare" and #prepared_lines(order) > 0 then return PENDING end
  local reserved = kind == "reserve" and reserved_line(order)
  if reserved and reserved[STATE] ~= "held" then return ENDED[reserved[STATE]] end
  if reserved and reserved[EXPIRES] <= now then return MORE_DUE end
  local past, differs = past_lines(may_have(order, lines) and orders[order], kind, user, lines)
  if past and past[1][HOLD] == hold then
    local answer = {}
    for i = 1, #past do answer[i] = past[i][ANSWER] end
    return { "replayed", past[1][SEQ], answer, hold > 0 and past[1][AT] + hold or 0 }
  end
  if past or differs or reserved then return { "conflict", differs or lines[1][1] } end
  return nil
end

-- The refusal when a SKU is not for sale now, or nil.
local function closed_answer(sku, has_token)
  local policy = stock[sku].policy
  if not policy then return nil end
  if policy.paused then return { "paused", sku } end
  if policy.opens and now < policy.opens then return { "not_open", sku, policy.opens } end
  if policy.closes and now >= policy.closes then return { "sale_closed", sku, policy.closes } end
  if policy.token and not has_token then return { "token_required", sku } end
  return nil
end

-- When a user last bought a SKU, or nil. A purchase later than now was made before the clock was set back: it counts
-- as made now, and is stored so: the user waits for the limit once and not until the clock has caught up.
local function bought_at(user, sku)
  local pair = user .. PAIR .. sku
  local at = bought[pair]
  if at and at > now then
    at = now
    bought[pair], dirty_bought[pair] = now, true
  end
  return at
end

-- The refusal when this user may not buy these lines now, or nil.
local function unfair_answer(user, lines)
  for i = 1, USER_LIMIT_MS > 0 and #lines or 0 do
    local at = bought_at(user, lines[i][1])
    if at and now - at < USER_LIMIT_MS then
      return { "rate_limited", lines[i][1], at + USER_LIMIT_MS - now }
    end
  end
  for i = 1, #lines do
    local sku, amount = lines[i][1], lines[i][2]
    local count = quota_of(user, sku)
    if count and count.units + amount > stock[sku].policy.quota then
      if may_be_freed(sku) then return MORE_DUE end
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
    if available < lines[i][2] then
      return may_be_freed(lines[i][1]) and MORE_DUE or { "insufficient", lines[i][1], available }
    end
  end
  local unfair = unfair_answer(user, lines)
  if unfair then return unfair end
  local known = count_lines(order)
  if known > 0 and known + #lines > ORDER_LINES_MAX then return ORDER_FULL end
  if seq - applied >= BACKLOG_MAX then return BACKLOG_FULL end
  return nil
end

local function sell(c)
  local kind, order, user, lines = c[1], c[3], c[4], c[7]
  local hold = math.min(c[8], HOLD_MAX_MS)
  local refusal = count_lines(order) > 0 and past_answer(kind, order, user, lines, hold)
    or why_not(order, user, lines, c[9])
  if refusal then return refusal end

  seq = seq + 1
  local held = kind == "reserve" or kind == "prepare"
  local expires = kind == "reserve" and now + hold or 0
  local left, facts = {}, {}
  local actor = c[5] ~= "" and c[5] or nil
  local attempt = kind == "prepare" and c[10] or ""
  for i = 1, #lines do
    local sku, amount = lines[i][1], lines[i][2]
    facts[i] = move(sku, -amount, held and amount or 0)
    left[i] = facts[i][4]
    remember(order, {
      sku, attempt, kind, amount, left[i], seq, now, user,
      held and "held" or "accepted", amount, hold, expires, 0, "", 0, 0, actor,
    })
    count_quota(user, sku, amount, seq)
    if USER_LIMIT_MS > 0 then
      bought[user .. PAIR .. sku] = now
      dirty_bought[user .. PAIR .. sku] = true
    end
  end
  if kind == "reserve" then dirty_expiry[order] = expires end
  if kind == "prepare" then dirty_expiry[PREPARED .. order] = PREPARED_SCORE + seq end
  local data = kind == "reserve" and { expires = expires, hold = hold } or EMPTY
  events[#events + 1] = { kind, order, user, "", c[5], c[6], facts, "", attempt, data }
  return { "accepted", seq, left, expires }
end
