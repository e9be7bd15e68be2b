#!lua
--[=[ restore: fills a shard from the ledger, chunk by chunk. Every chunk carries its token, so a worker that was
  frozen during a restore cannot write into a shard that another worker has restored since. The chunks are counted in
  the hash that has the token: an older copy of the keys has an older count, and lua/arm.lua refuses it.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] step, ARGV[2] token, then by step
    "begin"  ARGV[3] instance seen, ARGV[4] epoch seen, ARGV[5] seq seen,
             ARGV[6] deployment, ARGV[7] shards, ARGV[8] seq to go on from, ARGV[9] last number in the
             ledger: empties the shard
    "stock"  ARGV[3..] SKU, "<available> <reserved>[ <policy>]", ...          at most 4000 arguments
    "lines"  ARGV[3] JSON array of [key, line], 1 to 2000 of them, with lines as in lua/state.lua,
             ARGV[4] user limit in ms: purchases within it count again
    "quotas" ARGV[3..] user \31 SKU, units bought, policy's sale, ...  at most 6000 arguments, each pair once:
             adds the units to those of earlier chunks
  Reply   1 done; 0 overtaken (another token, or the shard differs from what was read): nothing was done
  Cost    O(chunk); "begin" frees the old keys in the background ]=]

local META, STOCK, ORDERS, LIMITS = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
local QUOTA, EXPIRY = KEYS[7], KEYS[8]
local step, token = ARGV[1], ARGV[2]

local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

if step == "begin" then
  local meta = redis.call("HMGET", META, "deployment", "epoch", "seq")
  local instance = string.match(redis.call("INFO", "replication"), "master_replid:(%x+)")
  local unchanged = instance == ARGV[3]
    and (meta[2] or "0") == ARGV[4]
    and (meta[3] or "0") == ARGV[5]
    and (not meta[1] or meta[1] == ARGV[6])
  if not unchanged then return 0 end
  local since = string.format("%.0f", now)
  redis.call("UNLINK", unpack(KEYS))
  redis.call("HSET", META, "token", token, "deployment", ARGV[6], "shards", ARGV[7],
    "epoch", 0, "seq", ARGV[8], "applied", ARGV[9],
    "orders_gen", 0, "orders_since", since, "limits_gen", 0, "limits_since", since)
  return 1
end

if redis.call("HGET", META, "token") ~= token then return 0 end

if step == "stock" then
  redis.call("HSET", STOCK, unpack(ARGV, 3))
elseif step == "quotas" then
  local pairs_, flat = {}, {}
  for i = 3, #ARGV, 3 do pairs_[#pairs_ + 1] = ARGV[i] end
  for n, packed in ipairs(redis.call("HMGET", QUOTA, unpack(pairs_))) do
    local before = packed and tonumber(string.match(packed, "^%d+")) or 0
    flat[2 * n - 1] = pairs_[n]
    flat[2 * n] = string.format("%.0f %s", before + tonumber(ARGV[3 * n + 1]), ARGV[3 * n + 2])
  end
  redis.call("HSET", QUOTA, unpack(flat))
elseif step == "lines" then
  local rows, user_limit_ms = cjson.decode(ARGV[3]), tonumber(ARGV[4])
  local keys, lines = {}, {}
  for _, row in ipairs(rows) do
    if not lines[row[1]] then
      lines[row[1]] = {}
      keys[#keys + 1] = row[1]
    end
  end
  for i, packed in ipairs(redis.call("HMGET", ORDERS, unpack(keys))) do
    if packed then lines[keys[i]] = cmsgpack.unpack(packed) end
  end
  for _, row in ipairs(rows) do
    local key, line = row[1], row[2]
    local sku, at, user, state, expires = line[1], line[7], line[8], line[9], line[12]
    local list = lines[key]
    list[#list + 1] = line
    if state and now - at < user_limit_ms then
      redis.call("HSET", LIMITS, user .. "\31" .. sku, string.format("%.0f", at))
    end
    if state == "held" and line[3] == "prepare" then
      redis.call("ZADD", EXPIRY, string.format("%.0f", 4000000000000000 + line[6]), "\3" .. key)
    elseif state == "held" then
      redis.call("ZADD", EXPIRY, string.format("%.0f", expires), key)
    end
  end
  local flat = {}
  for i, key in ipairs(keys) do
    flat[2 * i - 1], flat[2 * i] = key, cmsgpack.pack(lines[key])
  end
  redis.call("HSET", ORDERS, unpack(flat))
end
-- HINCRBY is not among the commands of deploy/redis/users.acl.
local chunks = tonumber(redis.call("HGET", META, "chunks") or "0") + 1
redis.call("HSET", META, "chunks", string.format("%.0f", chunks))
return 1
