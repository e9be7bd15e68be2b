#!lua flags=allow-oom
--[=[ acknowledge: the worker reports to a shard what the ledger has applied, and reads the shard's state.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] applied: seq       last number in the ledger; never moves backwards here
  ARGV[2] epoch              under which the worker armed the shard
  ARGV[3] trim               a number below `applied`: entries that end below it may be trimmed, in any epoch
  ARGV[4] deployment         a shard of another deployment is not changed
  ARGV[5] replicas           that replies wait for   ARGV[6] disk: 1 = until they have it on disk, 0 = in memory
  ARGV[7] certain            1: a higher stored number of replicas is out of date, 0: it stays
  ARGV[8] nonce known        the one that the last acknowledgement found or stored
  ARGV[9] nonce next         stored when the head has moved since the last one; also accepted as known, because the
                             reply to an acknowledgement may have been lost
  ARGV[10] settings          in force from now on, as in lua/decide.lua
  Reply   JSON [kind, head, stored nonce]
          "armed"      done
          "lost"       not armed, or not by this worker's arming: nothing was done
          "replaced"   another nonce is stored: the keys are of another point in time, or another worker
                       acknowledges: nothing was done
          "went_back"  the head is below `applied`: the shard was disarmed
  Cost    O(entries trimmed), whole stream nodes only within an epoch ]=]

local META, EVENTS = KEYS[1], KEYS[9]
local meta = redis.call("HMGET", META, "armed", "seq", "applied", "epoch", "deployment", "replicas", "on_disk",
  "nonce", "nonce_seq", "challenge", "settings")
local instance = string.match(redis.call("INFO", "replication"), "master_replid:(%x+)")
local head, nonce = meta[2] or "0", meta[8] or ""
local function reply(kind) return string.format('["%s",%s,"%s"]', kind, head, nonce) end

-- A former master may still be armed, under an earlier epoch.
local known = meta[1] and meta[1] == instance and meta[4] == ARGV[2] and meta[5] == ARGV[4]
if not known then return reply("lost") end
if tonumber(ARGV[1]) > tonumber(head) then
  redis.call("HDEL", META, "armed")
  redis.call("HSET", META, "suspect", 1)
  return reply("went_back")
end
if nonce ~= ARGV[8] and nonce ~= ARGV[9] then return reply("replaced") end
if meta[11] ~= ARGV[10] then redis.call("HSET", META, "settings", ARGV[10]) end

if tonumber(ARGV[1]) > tonumber(meta[3]) then
  redis.call("HSET", META, "applied", ARGV[1])
  -- Ids are <epoch>-<seq>. All entries of an earlier epoch are older, so the first entry's own epoch is
  -- compared, and exactly: a stream node with entries of two epochs would never be removed as a whole.
  local first = redis.call("XRANGE", EVENTS, "-", "+", "COUNT", 1)[1]
  local epoch = first and string.match(first[1], "^(%d+)-")
  if epoch then
    redis.call("XTRIM", EVENTS, "MINID", epoch == ARGV[2] and "~" or "=", epoch .. "-" .. ARGV[3])
  end
end
local noted = meta[6] or "0"
local replicas = ARGV[7] == "0" and tonumber(noted) > tonumber(ARGV[5]) and noted or ARGV[5]
if replicas ~= noted or ARGV[6] ~= meta[7] then
  redis.call("HSET", META, "replicas", replicas, "on_disk", ARGV[6])
end
-- An idle shard is not written to: between two equal acknowledgements, a restored copy of its keys is equal to them.
if meta[9] ~= head and nonce ~= ARGV[9] then
  nonce = ARGV[9]
  redis.call("HSET", META, "nonce", nonce, "nonce_seq", head)
end
if meta[10] then redis.call("HDEL", META, "challenge") end
return reply("armed")
