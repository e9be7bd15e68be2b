#!lua flags=allow-oom
--[=[ disarm: takes the right to sell away from a shard, if it is this deployment's.

  KEYS    the nine keys of lua/inventory.lua, in the same order
  ARGV[1] deployment
  Reply   1 done; 0 somebody else's, or nobody's: nothing was done
  Cost    O(1) ]=]

if redis.call("HGET", KEYS[1], "deployment") ~= ARGV[1] then return 0 end
redis.call("HDEL", KEYS[1], "armed")
return 1
