--[=[ return_units: returns sold units to the stock, all or part, never more than was sold; the quota is given back.

  Idempotent by (order id, return id, SKU), without an end: the same SKUs and amounts get the first reply again. A
  return may be sent, and repeated, long after the window. What this shard may have forgotten of the order or of the
  return is in `ledger`, once the ledger has applied all that may be forgotten. It is then remembered again. Only the
  token that made the lines may return them, or a caller without an owner.

  Event   ["return", order id, user id, "", actor, traceparent, [line, ...], reason, return id, {}] ]=]

-- Whether a return of an order may have been forgotten. It is later than its sale, and subtracts units from the line.
local function may_be_forgotten(known_lines)
  if not known_lines then return forgotten > 0 end
  for _, line in ipairs(known_lines) do
    local sold = line[STATE] == "confirmed" and line[SETTLED_UNITS] or line[AMOUNT]
    if line[SEQ] <= forgotten and line[UNITS] < sold then return true end
  end
  return false
end

-- The return `id` as the ledger has it, where this shard may have forgotten it. Returns its lines and the order's, each
-- nil when there are none, and the refusal when the ledger does not suffice.
local function ask_ledger(order, id, ledger)
  if count_lines(id) > 0 or not may_be_forgotten(orders[order]) then return nil, nil, nil end
  if is_null(ledger) then return nil, nil, { "forgotten" } end
  local applied_seq, sold, returned = unpack(ledger)
  if applied_seq < forgotten then return nil, nil, { "ledger_behind" } end
  return #returned > 0 and returned or nil, #sold > 0 and sold or nil, nil
end

-- Whether one of the lines to return belongs to another token.
local function has_foreign(known_lines, lines, owner)
  local asked = {}
  for i = 1, #lines do asked[lines[i][1]] = true end
  for _, line in ipairs(known_lines or EMPTY) do
    if asked[line[SKU]] and is_foreign(line, owner) then return true end
  end
  return false
end

local function why_not_back(known_lines, lines)
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
  return nil, sold_lines
end

local function return_units(c)
  local order, return_id, lines = c[3], c[4], c[8]
  local id = RETURN .. order .. PAIR .. return_id
  local returned, sold, unknown = ask_ledger(order, id, c[9])
  if unknown then return unknown end
  local known_lines = orders[order] or sold
  if has_foreign(known_lines, lines, c[10]) then return FORBIDDEN end
  local past, differs = past_lines(returned or orders[id], "return", nil, lines)
  if differs then return { "conflict", differs } end
  if past then
    local answer = {}
    for i = 1, #past do answer[i] = past[i][ANSWER] end
    return { "replayed", past[1][SEQ], answer, 0 }
  end
  if not known_lines then return { "unknown_order" } end
  local refusal, sold_lines = why_not_back(known_lines, lines)
  if refusal then return refusal end

  seq = seq + 1
  orders[order], orders[id] = known_lines, returned or orders[id]
  local left, facts, user = {}, {}, ""
  for i = 1, #lines do
    local sku, amount = lines[i][1], lines[i][2]
    local sold_line = sold_lines[sku]
    user = sold_line[USER]
    sold_line[UNITS] = sold_line[UNITS] - amount
    facts[i] = move(sku, amount, 0)
    left[i] = facts[i][4]
    count_quota(user, sku, -amount, sold_line[SEQ])
    remember(id, { sku, "", "return", amount, left[i], seq, now, user })
  end
  dirty_orders[order] = true
  events[#events + 1] = { c[1], order, user, "", c[5], c[6], facts, c[7], return_id, EMPTY }
  return { "accepted", seq, left, 0 }
end
