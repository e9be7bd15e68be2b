#!lua
--[=[ visit: the worker tells a shard how far the ledger is, and hears how it stands.

  KEYS    the nine keys of lua/inventory.lua, in the same order
  ARGV[1] applied: seq       last number in the ledger; never moves backwards here
  ARGV[2] trim: epoch        entries below <epoch>-<seq> are in the ledger and may go
  ARGV[3] trim: seq
  Reply   JSON ["armed" or "lost", head]; "lost" = this server is not the one that was armed
  Cost    O(entries trimmed), whole stream nodes only ]=]

local META, EVENTS = KEYS[1], KEYS[9]
local meta = redis.call("HMGET", META, "armed", "seq", "applied")
local instance = string.match(redis.call("INFO", "replication"), "master_replid:(%x+)")
local head = meta[2] or "0"
if not meta[1] or meta[1] ~= instance then
  return string.format('["lost",%s]', head)
end
if tonumber(ARGV[1]) > tonumber(meta[3]) then
  redis.call("HSET", META, "applied", ARGV[1])
  redis.call("XTRIM", EVENTS, "MINID", "~", ARGV[2] .. "-" .. ARGV[3])
end
return string.format('["armed",%s]', head)
