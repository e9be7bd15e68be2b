--[=[ hold: confirms a reservation (all of it, or fewer units: the rest returns), cancels, extends or expires it. All
  reserved lines of an order change together. Only the token that made the reservation may do so, or a caller without an
  owner.

  Cancelling again gets the first reply, and so does confirming the same units again; any other call after the end
  gets the state as its reply: already_confirmed, already_cancelled, reservation_expired.

  Event   [kind, order id, user id, "", actor, traceparent, [line, ...], "", "", data]
  kind    "confirm", "cancel", "expire", "extend"; data of expire and extend: {"expires"} in ms ]=]

-- Whether a confirmation of `lines` (null = all) equals the one that made `settled`.
local function is_same(settled, lines)
  local units = {}
  for _, line in ipairs(settled) do
    units[line[SKU]] = line[SETTLED_UNITS]
    if is_null(lines) and line[SETTLED_UNITS] ~= line[AMOUNT] then return false end
  end
  if is_null(lines) then return true end
  for _, line in ipairs(lines) do
    if units[line[1]] ~= line[2] then return false end
    units[line[1]] = 0
  end
  for _, left in pairs(units) do
    if left > 0 then return false end
  end
  return true
end

-- Whether the order's reservation belongs to another token. All lines of a reservation have one actor.
local function is_foreign_reservation(order, owner)
  local last = reserved_line(order)
  return last ~= nil and is_foreign(last, owner)
end

-- The reply to a call that finds nothing held. `want` is the state that the call asks for.
local function settled_answer(order, want, lines)
  local last = reserved_line(order)
  if not last then return { "unknown_reservation" } end
  local settled, answer = {}, {}
  for _, line in ipairs(orders[order]) do
    if line[SETTLED_SEQ] == last[SETTLED_SEQ] then
      settled[#settled + 1] = line
      answer[#answer + 1] = { line[SKU], line[SETTLED_UNITS], line[SETTLED_ANSWER] }
    end
  end
  if last[STATE] == want and (want == "cancelled" or is_same(settled, lines)) then
    return { "replayed_settled", last[SETTLED_SEQ], want, answer }
  end
  return ENDED[last[STATE]]
end

-- Ends the holds `held`: `keep[SKU]` units of each line are sold, the rest returns to the stock.
local function settle(kind, state, order, held, keep, actor, traceparent)
  seq = seq + 1
  local facts, lines = {}, {}
  for i, line in ipairs(held) do
    local sku, units = line[SKU], line[UNITS]
    local kept = keep[sku] or 0
    facts[i] = move(sku, units - kept, -units)
    line[STATE], line[UNITS] = state, kept
    line[SETTLED_SEQ], line[SETTLED_UNITS], line[SETTLED_ANSWER] = seq, kept, facts[i][4]
    count_quota(line[USER], sku, kept - units, line[SEQ])
    lines[i] = { sku, kept, facts[i][4] }
  end
  dirty_orders[order] = true
  dirty_expiry[order] = false
  events[#events + 1] = { kind, order, held[1][USER], "", actor, traceparent, facts, "", "", EMPTY }
  return { "settled", seq, state, lines }
end

local function confirm(c)
  local order, lines = c[3], c[6]
  if is_foreign_reservation(order, c[7]) then return FORBIDDEN end
  local held = held_lines(order)
  if #held == 0 then return settled_answer(order, "confirmed", lines) end
  if held[1][EXPIRES] <= now then return MORE_DUE end
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
  return settle("confirm", "confirmed", order, held, keep, c[4], c[5])
end

local function cancel(c)
  local order = c[3]
  if is_foreign_reservation(order, c[6]) then return FORBIDDEN end
  local held = held_lines(order)
  if #held == 0 then return settled_answer(order, "cancelled") end
  return settle("cancel", "cancelled", order, held, EMPTY, c[4], c[5])
end

-- The new end is `hold` after the reservation was made, never earlier than before: a repetition changes nothing.
local function extend(c)
  local order, hold = c[3], math.min(c[4], HOLD_MAX_MS)
  if is_foreign_reservation(order, c[7]) then return FORBIDDEN end
  local held = held_lines(order)
  if #held == 0 then return settled_answer(order, "") end
  local expires, latest = held[1][AT] + hold, held[1][EXPIRES]
  if latest <= now then return MORE_DUE end
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

-- Releases expired reservations, before any command reads the stock.
local function lapse(due)
  for _, order in ipairs(due) do
    local held = held_lines(order)
    dirty_expiry[order] = false
    if #held > 0 then
      local expires = held[1][EXPIRES]
      settle("expire", "expired", order, held, EMPTY, "", "")
      events[#events][10] = { expires = expires }
    end
  end
end
