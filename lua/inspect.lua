#!lua flags=no-writes
--[=[ inspect: reads a shard's state, in one step. Writes nothing.

  KEYS    the nine keys of lua/decide.lua, in the same order
  Reply   JSON {"instance", "deployment", "shards", "armed", "epoch", "seq", "applied", "token", "epoch_seen",
          "settings", "nonce", "suspect", "log_way", "reconciled", "first": "<epoch>-<seq>" or "", "last": the
          same, "skus", "keys": number of the keys that exist, "now": ms since 1970 on this server's clock}
  Cost    O(1) ]=]

local meta = redis.call("HMGET", KEYS[1], "deployment", "shards", "armed", "epoch", "seq", "applied", "token",
  "epoch_seen", "settings", "nonce", "suspect", "log_way", "reconciled")
local instance = string.match(redis.call("INFO", "replication"), "master_replid:(%x+)")

local clock = redis.call("TIME")
local first = redis.call("XRANGE", KEYS[9], "-", "+", "COUNT", 1)[1]
local last = redis.call("XREVRANGE", KEYS[9], "+", "-", "COUNT", 1)[1]

-- Numbers are returned as the stored strings: cjson writes 14 digits.
return cjson.encode({
  instance = instance,
  deployment = meta[1] or "",
  shards = meta[2] or "0",
  armed = meta[3] == instance,
  epoch = meta[4] or "0",
  seq = meta[5] or "0",
  applied = meta[6] or "0",
  token = meta[7] or "",
  epoch_seen = meta[8] or "0",
  settings = meta[9] or "",
  nonce = meta[10] or "",
  suspect = meta[11] == "1",
  log_way = meta[12] or "",
  reconciled = meta[13] or "",
  first = first and first[1] or "",
  last = last and last[1] or "",
  skus = redis.call("HLEN", KEYS[2]),
  keys = redis.call("EXISTS", unpack(KEYS)),
  now = string.format("%.0f", clock[1] * 1000 + math.floor(clock[2] / 1000)),
})
