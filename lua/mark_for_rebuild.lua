#!lua
--[=[ mark_for_rebuild: takes the right to sell away from a shard and marks its contents as not whole, in one step. An
  epoch of 0 is what an interrupted restore leaves behind: the worker that arms the shard next fills it from the ledger.
  Without allow-oom, as the restore that follows has none: a shard that cannot be filled goes on as it is.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] deployment
  Reply   1 done; 0 somebody else's: nothing was done. A shard that is nobody's is marked
  Cost    O(1) ]=]

local META = KEYS[1]
local owner = redis.call("HGET", META, "deployment")
if owner and owner ~= ARGV[1] then return 0 end
redis.call("HDEL", META, "armed")
redis.call("HSET", META, "epoch", 0)
return 1
