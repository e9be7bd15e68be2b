#!lua flags=allow-oom
--[=[ sweep: deletes the quota counts of windows that have ended, a page at a time.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] deployment   another deployment's shard is not changed, nor one that is not armed
  ARGV[2] cursor       of HSCAN: "0" at first, then the last reply
  ARGV[3] fields       to read, about
  Reply   the next cursor; "0" after the last page
  Cost    O(fields) ]=]

local META, STOCK, QUOTA = KEYS[1], KEYS[2], KEYS[7]
local CHUNK = 4000 -- arguments a call: unpack fails near 8000
-- A window that has just closed is kept for a day, because clocks are set back at times.
local CLOSED_MS = 86400000

local meta = redis.call("HMGET", META, "armed", "deployment")
if not meta[1] or meta[2] ~= ARGV[1] then return "0" end
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The number of the event that set the current window, or false when there is none.
local sales = {}
local function sale_of(sku)
  if sales[sku] == nil then
    local policy = string.match(redis.call("HGET", STOCK, sku) or "", "^%d+ %d+ (.+)$")
    policy = policy and cjson.decode(policy) or {}
    local is_over = not policy.quota or policy.closes and policy.closes + CLOSED_MS < now
    sales[sku] = not is_over and (policy.sale or 0)
  end
  return sales[sku]
end

local page = redis.call("HSCAN", QUOTA, ARGV[2], "COUNT", ARGV[3])
local cursor, fields, over = page[1], page[2], {}
for i = 1, #fields, 2 do
  local units, sale = string.match(fields[i + 1], "^(%d+) (%d+)$")
  local sku = string.match(fields[i], "\31(.*)$")
  if tonumber(units) == 0 or sale_of(sku) ~= tonumber(sale) then over[#over + 1] = fields[i] end
end
for first = 1, #over, CHUNK do
  redis.call("HDEL", QUOTA, unpack(over, first, math.min(first + CHUNK - 1, #over)))
end
return cursor
