#!lua flags=allow-oom
--[=[ acknowledge: the worker tells a shard how far the ledger is, and hears how it stands.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] applied: seq       last number in the ledger; never moves backwards here
  ARGV[2] epoch              under which the worker knows it to be armed
  ARGV[3] trim               a number behind `applied`: entries that end below it may go, whatever their epoch
  ARGV[4] deployment         somebody else's shard is not touched
  ARGV[5] replicas           that its answers wait for   ARGV[6] disk: 1 until it is on their disks, 0 in their memory
  ARGV[7] certain            1: a higher number that is noted is out of date, 0: it stays
  ARGV[8] nonce known        the one that the last visit found or left
  ARGV[9] nonce next         noted when the head has moved since the last one was; accepted as known, too: the reply
                             to a visit may have been lost
  ARGV[10] settings          that decide from now on, as in lua/decide.lua
  Reply   JSON [kind, head, nonce noted]
          "armed"      done
          "lost"       not armed, or not as the worker knows it: nothing was done
          "replaced"   another nonce is noted: these are the keys of another moment, or another worker visits:
                       nothing was done
          "went_back"  the head is below `applied`: the right to sell was taken away
  Cost    O(entries trimmed), whole stream nodes only within an epoch ]=]

local META, EVENTS = KEYS[1], KEYS[9]
local meta = redis.call("HMGET", META, "armed", "seq", "applied", "epoch", "deployment", "replicas", "on_disk",
  "nonce", "nonce_seq", "challenge", "settings")
local instance = string.match(redis.call("INFO", "replication"), "master_replid:(%x+)")
local head, nonce = meta[2] or "0", meta[8] or ""
local function reply(kind) return string.format('["%s",%s,"%s"]', kind, head, nonce) end

-- A master that was left behind may still be armed: under an epoch that is over.
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
  -- Ids are <epoch>-<seq>. Below the current epoch everything is older, so the first entry's own epoch is compared, and
  -- exactly: a node that holds entries of two epochs would never go whole.
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
-- An idle shard is not written to: keys copied and restored between two visits that found the same are the same.
if meta[9] ~= head and nonce ~= ARGV[9] then
  nonce = ARGV[9]
  redis.call("HSET", META, "nonce", nonce, "nonce_seq", head)
end
if meta[10] then redis.call("HDEL", META, "challenge") end
return reply("armed")
