--[=[ read: reads all fields that a batch needs, each once, in a few HMGETs in chunks. ]=]

-- Orders with expired reservations that one call reads; LAPSE_LINES_MAX limits their lines.
local DUE_MAX = 256

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

local function take_order(id, lines) packed[id] = lines ~= NO_LINES and lines or nil end

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

-- Order ids of expired reservations, the earliest first.
local function read_due()
  local due = redis.call("ZRANGEBYSCORE", EXPIRY, "-inf", string.format("%.0f", now), "LIMIT", 0, DUE_MAX)
  more_due = #due == DUE_MAX
  return due
end

-- Commands that change the stock of all SKUs of their order, or show all its lines.
local by_order = { confirm = true, cancel = true, extend = true, commit = true, abort = true, lookup = true }
-- Commands that read no order.
local by_sku = { stock = true, pause = true, resume = true, rules = true }

-- Adds the fields that a command reads.
local function want_fields(c, ids, skus, pairs_)
  local kind = c[1]
  if by_order[kind] then
    want(ids, c[3])
  elseif by_sku[kind] then
    want(skus, c[3])
  elseif kind == "return" then
    want(ids, c[3])
    want(ids, RETURN .. c[3] .. PAIR .. c[4])
    for _, line in ipairs(c[8]) do want(skus, line[1]) end
  elseif kind == "adjust" or kind == "set" then
    want(ids, ADJUSTMENT .. c[3])
    if kind == "adjust" and c[10] ~= cjson.null then want(ids, c[10][1]) end
    want(skus, c[4])
  else
    want(ids, c[3])
    for _, line in ipairs(c[7]) do
      want(skus, line[1])
      if USER_LIMIT_MS > 0 then want(pairs_, c[4] .. PAIR .. line[1]) end
    end
  end
end

-- Number of lines that a command may read and that are not unpacked yet.
local function unread_lines(c)
  local kind = c[1]
  if by_sku[kind] then return 0 end
  if kind == "adjust" or kind == "set" then return packed_lines(ADJUSTMENT .. c[3]) end
  if kind == "return" then return packed_lines(c[3]) + packed_lines(RETURN .. c[3] .. PAIR .. c[4]) end
  return packed_lines(c[3])
end

-- Counts the lines that a command may read. Returns 0, or their number when they are too many for this call: then
-- nothing was counted, and the command has to wait. The first command with lines is always admitted.
local function admit(c)
  -- The reply may have all lines, unpacked before or not.
  local lines = by_order[c[1]] and count_lines(c[3]) or unread_lines(c)
  if lines > 0 and read_lines > 0 and read_lines + lines > READ_LINES_MAX then return lines end
  read_lines = read_lines + lines
  return 0
end

-- The due orders that one call releases: at least one.
local function take_due(due)
  local taken, lines = {}, 0
  for i, id in ipairs(due) do
    lines = lines + packed_lines(id)
    if i > 1 and lines > LAPSE_LINES_MAX then
      more_due = true
      break
    end
    taken[i] = id
  end
  return taken
end

-- Adds what plain sales read of the users' limits, when the stock is known, and returns it for each: false for none.
-- While nothing in this call gives units back, one that is sold out is refused without it: most of a flash sale is that.
local function want_limits(commands, plain_sales, pairs_, may_rise)
  local pair_of = {}
  for n = 1, USER_LIMIT_MS > 0 and #plain_sales or 0 do
    local position, pair = plain_sales[n], false
    local sku, amount = commands[position + 5], commands[position + 6]
    local s = stock[sku]
    if may_rise or s and s.available >= amount then
      pair = commands[position + 2] .. PAIR .. sku
      pairs_.fields[#pairs_.fields + 1] = pair
    end
    pair_of[n] = pair
  end
  return pair_of
end

-- Adds the fields that the commands read. Returns where the plain sales and where the others are.
local function want_all(commands, ids, skus, pairs_)
  local plain_sales, others, position = {}, {}, 1
  while commands[position] do
    if type(commands[position]) == "number" then
      plain_sales[#plain_sales + 1] = position
      -- Seldom twice in a batch, so that reading them again costs less than to look for them.
      ids.fields[#ids.fields + 1] = commands[position + 1]
      want(skus, commands[position + 5])
      position = position + PLAIN_SALE
    else
      others[#others + 1] = position
      want_fields(commands[position], ids, skus, pairs_)
      position = position + 1
    end
  end
  return plain_sales, others
end

-- Returns the orders to release; the commands that have to wait for another call: position -> lines; and what the plain
-- sales read of the users' limits.
local function prefetch(commands, due)
  local ids, skus, pairs_ = new_list(), new_list(), new_list()
  for _, id in ipairs(due) do want(ids, id) end
  local plain_sales, others = want_all(commands, ids, skus, pairs_)
  -- The generation that takes new lines is read last: when both have an order, it has all of its lines.
  each_present(ORDERS[1 - orders_gen], ids.fields, take_order)
  each_present(ORDERS[orders_gen], ids.fields, take_order)
  due = take_due(due)
  for _, id in ipairs(due) do
    for _, line in ipairs(orders[id] or EMPTY) do want(skus, line[SKU]) end
  end
  local waiting = {}
  for _, position in ipairs(others) do
    local c = commands[position]
    if by_order[c[1]] and c[1] ~= "lookup" then
      waiting[position] = admit(c)
      for _, line in ipairs(waiting[position] == 0 and orders[c[3]] or EMPTY) do
        want(skus, line[SKU])
        if c[1] == "abort" and USER_LIMIT_MS > 0 then want(pairs_, line[USER] .. PAIR .. line[SKU]) end
      end
    end
  end
  each_present(STOCK, skus.fields, take_stock)
  local pair_of = want_limits(commands, plain_sales, pairs_, #due > 0 or #others > 0)
  each_present(LIMITS[1 - limits_gen], pairs_.fields, take_bought)
  each_present(LIMITS[limits_gen], pairs_.fields, take_bought)
  return due, waiting, pair_of
end
