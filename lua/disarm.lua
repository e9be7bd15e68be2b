#!lua flags=allow-oom
--[=[ disarm: disarms a shard, if it is this deployment's.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] deployment
  ARGV[2] challenge    "" = at once; else a value that the next acknowledgement of a running worker removes: the first
                       call stores it, a second call with the same value disarms if it is still stored
  ARGV[3] suspect      1 = the next verification compares all of the log with the ledger, else 0
  Reply   1 done; 0 of another deployment, or of none: nothing was done; 2 the challenge was stored
  Cost    O(1) ]=]

local META, challenge = KEYS[1], ARGV[2]
local meta = redis.call("HMGET", META, "deployment", "challenge")
if meta[1] ~= ARGV[1] then return 0 end
if challenge ~= "" and meta[2] ~= challenge then
  redis.call("HSET", META, "challenge", challenge)
  return 2
end
redis.call("HDEL", META, "armed", "challenge")
if ARGV[3] == "1" then redis.call("HSET", META, "suspect", 1) end
return 1
