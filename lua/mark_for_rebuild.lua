#!lua
--[=[ mark_for_rebuild: disarms a shard and marks its contents as incomplete, in one step. An interrupted restore also
  leaves an epoch of 0: the worker that arms the shard next fills it from the ledger. Without allow-oom, because the
  restore that follows has none: a shard that cannot be filled stays as it is.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] deployment
  Reply   1 done; 0 of another deployment: nothing was done. A shard of none is marked
  Cost    O(1) ]=]

local META = KEYS[1]
local owner = redis.call("HGET", META, "deployment")
if owner and owner ~= ARGV[1] then return 0 end
redis.call("HDEL", META, "armed")
redis.call("HSET", META, "epoch", 0)
return 1
