#!lua flags=allow-oom
--[=[ visit: the worker tells a shard how far the ledger is, and hears how it stands.

  KEYS    the nine keys of lua/inventory.lua, in the same order
  ARGV[1] applied: seq       last number in the ledger; never moves backwards here
  ARGV[2] epoch              under which the worker knows it to be armed; entries below <epoch>-<trim> may go
  ARGV[3] trim               a number behind `applied`
  ARGV[4] deployment         somebody else's shard is not touched
  ARGV[5] replicas           that its answers wait for   ARGV[6] disk: 1 until it is on their disks, 0 in their memory
  ARGV[7] certain            1: a higher number that is noted is out of date, 0: it stays
  ARGV[8] settings           that decide from now on, as in lua/inventory.lua
  Reply   JSON ["armed" or "lost", head]; "lost" = not armed, or not as the worker knows it: nothing was done
  Cost    O(entries trimmed), whole stream nodes only ]=]

local META, EVENTS = KEYS[1], KEYS[9]
local meta = redis.call("HMGET", META, "armed", "seq", "applied", "epoch", "deployment", "replicas", "on_disk", "settings")
local instance = string.match(redis.call("INFO", "replication"), "master_replid:(%x+)")
local head = meta[2] or "0"
-- A master that was left behind may still be armed: under an epoch that is over.
local known = meta[1] and meta[1] == instance and meta[4] == ARGV[2] and meta[5] == ARGV[4]
if not known then
  return string.format('["lost",%s]', head)
end
if meta[8] ~= ARGV[8] then redis.call("HSET", META, "settings", ARGV[8]) end
if tonumber(ARGV[1]) > tonumber(meta[3]) then
  redis.call("HSET", META, "applied", ARGV[1])
  redis.call("XTRIM", EVENTS, "MINID", "~", ARGV[2] .. "-" .. ARGV[3])
end
local noted = meta[6] or "0"
local replicas = ARGV[7] == "0" and tonumber(noted) > tonumber(ARGV[5]) and noted or ARGV[5]
if replicas ~= noted or ARGV[6] ~= meta[7] then
  redis.call("HSET", META, "replicas", replicas, "on_disk", ARGV[6])
end
return string.format('["armed",%s]', head)
