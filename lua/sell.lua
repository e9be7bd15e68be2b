--[=[ sell: takes the lines of one order, all or none.

  Checks, in this order, the same as in the memory store: replay, conflict, unknown SKU, paused, stock, the user's
  limit, room in the order, room in the backlog. A refusal is not remembered: stock may come back.

  Event   [kind, order id, user id, fingerprint, actor, traceparent, [line, ...]]
  line    [SKU, change of available, change of reserved, available after, reserved after] ]=]

-- The first answer if all lines were taken before, a conflict if they were taken otherwise, nil if none was.
local function past_answer(order, fingerprint, lines)
  local answer, known, first_seq = {}, 0, nil
  for i = 1, #lines do
    local line = remembered(order, lines[i][1])
    if line then
      if line[2] ~= fingerprint then return { "conflict", line[1] } end
      known = known + 1
      answer[i] = line[5]
      first_seq = first_seq or line[6]
    end
  end
  if known == #lines then return { "replayed", first_seq, answer } end
  return known > 0 and { "conflict", lines[1][1] } or nil
end

local function sell(c)
  local kind, order, user, fingerprint, lines = c[1], c[3], c[4], c[5], c[8]

  if orders[order] then
    local past = past_answer(order, fingerprint, lines)
    if past then return past end
  end

  for i = 1, #lines do
    if not stock[lines[i][1]] then return { "unknown_sku", lines[i][1] } end
  end
  for i = 1, #lines do
    local policy = stock[lines[i][1]].policy
    if policy and policy.paused then return { "paused", lines[i][1] } end
  end
  for i = 1, #lines do
    local available = stock[lines[i][1]].available
    if available < lines[i][2] then return { "insufficient", lines[i][1], available } end
  end
  if USER_LIMIT_MS > 0 then
    for i = 1, #lines do
      local at = bought[user .. PAIR .. lines[i][1]]
      if at and now - at < USER_LIMIT_MS then
        return { "rate_limited", lines[i][1], math.min(USER_LIMIT_MS, at + USER_LIMIT_MS - now) }
      end
    end
  end
  if orders[order] and #orders[order] + #lines > ORDER_LINES_MAX then return ORDER_FULL end
  if seq - applied >= BACKLOG_MAX then return BACKLOG_FULL end

  seq = seq + 1
  local left, facts = {}, {}
  for i = 1, #lines do
    local sku, amount = lines[i][1], lines[i][2]
    local s = stock[sku]
    s.available = s.available - amount
    dirty_stock[sku] = true
    left[i] = s.available
    facts[i] = { sku, -amount, 0, s.available, s.reserved }
    remember(order, { sku, fingerprint, kind, amount, s.available, seq, now, user })
    if USER_LIMIT_MS > 0 then
      bought[user .. PAIR .. sku] = now
      dirty_bought[user .. PAIR .. sku] = true
    end
  end
  events[#events + 1] = { kind, order, user, fingerprint, c[6], c[7], facts }
  return { "accepted", seq, left }
end
