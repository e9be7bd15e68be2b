#!lua flags=allow-oom
--[=[ arm: arms a shard if its state is still exactly what the worker verified.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] instance     replication id that the worker read
  ARGV[2] epoch seen   ARGV[3] seq seen
  ARGV[4] epoch        issued by the ledger for this arming; also the nonce that the first acknowledgement expects
  ARGV[5] deployment   ARGV[6] shards
  ARGV[7] applied      last number in the ledger
  ARGV[8] token        of the restore that filled the shard, or ""
  ARGV[9] chunks       that the worker wrote in that restore, or 0
  ARGV[10] replicas    that replies wait for   ARGV[11] disk: 1 = until they have it on disk, 0 = in memory
  ARGV[12] settings    in force from now on, as in lua/decide.lua
  Reply   1 armed; 0 something changed since it was verified: nothing was done
  Cost    O(1) ]=]

local META = KEYS[1]
local meta = redis.call("HMGET", META, "epoch", "seq", "token", "deployment", "orders_gen", "applied",
  "chunks")
local instance = string.match(redis.call("INFO", "replication"), "master_replid:(%x+)")

local unchanged = instance == ARGV[1]
  and (meta[1] or "0") == ARGV[2]
  and (meta[2] or "0") == ARGV[3]
  and (meta[3] or "") == ARGV[8]
  and (not meta[4] or meta[4] == ARGV[5])
  and (meta[7] or "0") == ARGV[9]
if not unchanged then return 0 end

local clock = redis.call("TIME")
local now = string.format("%.0f", clock[1] * 1000 + math.floor(clock[2] / 1000))
if not meta[5] then
  redis.call("HSET", META, "orders_gen", 0, "orders_since", now, "limits_gen", 0, "limits_since", now)
end
redis.call("HSET", META, "epoch", ARGV[4], "seq", ARGV[3], "deployment", ARGV[5], "shards", ARGV[6],
  "applied", string.format("%.0f", math.max(tonumber(ARGV[7]), tonumber(meta[6] or "0"))), "armed", instance,
  "replicas", ARGV[10], "on_disk", ARGV[11], "settings", ARGV[12], "nonce", ARGV[4], "nonce_seq", ARGV[3])
redis.call("HDEL", META, "token", "chunks", "suspect", "challenge", "refusal", "verifying")
return 1
