--[=[ stock: what a stock keeper asks. Adjustments are never refused for a full backlog: they may be what is needed.

  adjust  adds `delta` units, and makes the SKU when delta >= 0. Idempotent by (adjustment id, SKU).
          Event [kind, adjustment id, "", fingerprint, actor, traceparent, [line], reason, reference];
          kind is "create" for the adjustment that made the SKU, else "adjust".
  stock   reads one SKU.   lookup  reads what this shard remembers of an order. ]=]

local function adjust(c)
  local id, sku, delta, fingerprint = ADJUSTMENT .. c[3], c[4], c[5], c[6]

  local past = remembered(id, sku)
  if past then
    if past[2] ~= fingerprint then return { "conflict", sku } end
    return { past[3] == "create" and "replayed_created" or "replayed", past[6], { past[5] } }
  end

  local s = stock[sku]
  local kind = s and "adjust" or "create"
  if not s then
    if delta < 0 then return { "unknown_sku", sku } end
    s = { available = 0, reserved = 0 }
  end
  local available = s.available + delta
  if available < 0 then return { "insufficient", sku, s.available } end
  if available + s.reserved > QUANTITY_MAX then return { "stock_limit", sku, s.available } end
  if orders[id] and #orders[id] >= ORDER_LINES_MAX then return ORDER_FULL end

  seq = seq + 1
  s.available = available
  stock[sku] = s
  dirty_stock[sku] = true
  remember(id, { sku, fingerprint, kind, delta, available, seq, now, "" })
  events[#events + 1] = {
    kind, c[3], "", fingerprint, c[7], c[8], { { sku, delta, 0, available, s.reserved } }, c[9], c[10],
  }
  return { kind == "create" and "created" or "accepted", seq, { available } }
end

local function read_stock(c)
  local s = stock[c[3]]
  if not s then return { "unknown_sku", c[3] } end
  return { "stock", c[3], s.available, s.reserved, s.policy and s.policy.paused and 1 or 0, seq }
end

local function lookup(c)
  local lines = orders[c[3]]
  -- A copy: a later command of this batch may add a line, and replies are encoded at the end.
  return { "order", lines and { unpack(lines) } or cjson.null }
end
