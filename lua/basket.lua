--[=[ basket: carries out the decision on a basket of several shards, in this shard: commit sells the lines that were
  prepared with a number, abort returns their units and forgets them, as if they had been refused.

  Only the decision in the ledger calls these, so they check no owner. Both may be repeated. An abort also withdraws the
  purchase from the user's limit: the next attempt of the order is not refused for it.

  Event   [kind, order id, user id, "", actor, traceparent, [line, ...], "", "", {}]
  kind    "commit", "abort" ]=]

-- The order's lines that were prepared with `number`, decided or not.
local function lines_of(order, number)
  local lines = {}
  for _, line in ipairs(orders[order] or EMPTY) do
    if line[KIND] == "prepare" and line[SEQ] == number then lines[#lines + 1] = line end
  end
  return lines
end

-- Ends the hold of `lines`. Returns the reply.
local function decide_lines(kind, order, lines, actor, traceparent)
  seq = seq + 1
  local facts, answer = {}, {}
  for i, line in ipairs(lines) do
    local sku, units = line[SKU], line[UNITS]
    local back = kind == "abort" and units or 0
    facts[i] = move(sku, back, -units)
    answer[i] = { sku, units - back, facts[i][4] }
  end
  dirty_orders[order] = true
  dirty_expiry[PREPARED .. order] = false
  events[#events + 1] = { kind, order, lines[1][USER], "", actor, traceparent, facts, "", "", EMPTY }
  return { "settled", seq, kind == "commit" and "confirmed" or "cancelled", answer }
end

local function commit_lines(c)
  local order = c[3]
  local lines = lines_of(order, c[4])
  if #lines == 0 then return { "unknown_reservation" } end
  if lines[1][STATE] ~= "held" then
    local answer = {}
    for i, line in ipairs(lines) do answer[i] = { line[SKU], line[AMOUNT], line[ANSWER] } end
    return { "replayed_settled", lines[1][SEQ], "confirmed", answer }
  end
  local reply = decide_lines("commit", order, lines, c[5], c[6])
  for _, line in ipairs(lines) do line[STATE] = "accepted" end
  return reply
end

local function abort_lines(c)
  local order = c[3]
  local lines = lines_of(order, c[4])
  if #lines == 0 then return { "unknown_reservation" } end
  if lines[1][STATE] ~= "held" then return ENDED.confirmed end
  local reply = decide_lines("abort", order, lines, c[5], c[6])
  local kept = {}
  for _, line in ipairs(orders[order]) do
    if line[SEQ] ~= c[4] then kept[#kept + 1] = line end
  end
  orders[order] = #kept > 0 and kept or nil
  for _, line in ipairs(lines) do
    local pair = line[USER] .. PAIR .. line[SKU]
    count_quota(line[USER], line[SKU], -line[UNITS], line[SEQ])
    if USER_LIMIT_MS > 0 and bought[pair] == line[AT] then
      bought[pair], dirty_bought[pair] = 0, true
    end
  end
  return reply
end
