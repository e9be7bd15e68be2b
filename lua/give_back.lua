--[=[ give_back: returns sold units to the stock, all or part, never more than was sold; the quota is given back.

  Idempotent by (order id, return id, SKU): the same SKUs and amounts get the first answer again. A shard that has forgotten the order takes the caller's word for it
  (`sold`, the ledger's lines): a return may come long after the window. What it then remembers counts again.

  Event   ["return", order id, user id, "", actor, traceparent, [line, ...], reason, return id, {}] ]=]

local function give_back(c)
  local order, return_id, lines = c[3], c[4], c[8]
  local id = RETURN .. order .. PAIR .. return_id
  local past, differs = past_lines(id, "return", nil, lines)
  if differs then return { "conflict", differs } end
  if past then
    local answer = {}
    for i = 1, #past do answer[i] = past[i][ANSWER] end
    return { "replayed", past[1][SEQ], answer, 0 }
  end

  local known_lines = orders[order] or not is_null(c[9]) and c[9]
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
    remember(id, { sku, "", "return", amount, left[i], seq, now, user })
  end
  dirty_orders[order] = true
  events[#events + 1] = { c[1], order, user, "", c[5], c[6], facts, c[7], return_id, EMPTY }
  return { "accepted", seq, left, 0 }
end
