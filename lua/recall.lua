#!lua flags=no-writes
--[=[ recall: reads a shard's contents for a comparison with the ledger, armed or not. Writes nothing.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] what, then by it
    "names"   ARGV[2] which key: 2 to 4 and 7 (a hash), 8 (the sorted set), ARGV[3] cursor, 0 = from the start
              -> ["<next cursor>", [name, ...]]: about 1000 of them; a name may come twice
    "stock"   ARGV[2..] SKUs                 -> [head, ["<available> <reserved>[ <policy>]" or null, ...]]
    "orders"  ARGV[2..] names in orders:0/1  -> [head, [lines or null, ...]], with lines as in lua/state.lua
    "quotas"  ARGV[2..] user \31 SKU         -> [head, ["<units bought> <policy's sale>" or null, ...]]
    "holds"   ARGV[2..] order ids            -> [head, ["<when it expires, ms>" or null, ...]]
              at most 1000 names a call
  Reply   JSON, as above
  Cost    O(names) ]=]

local META, STOCK, QUOTA, EXPIRY = KEYS[1], KEYS[2], KEYS[7], KEYS[8]
local what = ARGV[1]

if what == "names" then
  local index = tonumber(ARGV[2])
  local page = redis.call(index == 8 and "ZSCAN" or "HSCAN", KEYS[index], ARGV[3], "COUNT", 1000)
  local names = {}
  for i = 1, #page[2], 2 do names[#names + 1] = cjson.encode(page[2][i]) end
  return "[\"" .. page[1] .. "\",[" .. table.concat(names, ",") .. "]]"
end

local function read(key, names)
  local values = redis.call("HMGET", key, unpack(names))
  for i = 1, #values do values[i] = values[i] or cjson.null end
  return values
end

local names = { unpack(ARGV, 2) }
local values
if what == "orders" then
  local gen = tonumber(redis.call("HGET", META, "orders_gen") or "0")
  -- The generation that takes new lines counts: when both have an order, it has all of its lines.
  local new, old = read(KEYS[3 + gen], names), read(KEYS[4 - gen], names)
  values = {}
  for i = 1, #names do
    local packed = new[i] ~= cjson.null and new[i] or old[i]
    local has_lines = packed ~= cjson.null and packed ~= "\144" -- an empty array: its lines were aborted
    values[i] = has_lines and cmsgpack.unpack(packed) or cjson.null
  end
elseif what == "holds" then
  values = {}
  for i = 1, #names do values[i] = redis.call("ZSCORE", EXPIRY, names[i]) or cjson.null end
else
  values = read(what == "stock" and STOCK or QUOTA, names)
end
return cjson.encode({ tonumber(redis.call("HGET", META, "seq") or "0"), values })
