#!lua flags=allow-oom
--[=[ note: the worker writes beside a shard which promises its servers do not keep, if it is this deployment's.

  KEYS    the nine keys of lua/inventory.lua, in the same order
  ARGV[1] deployment
  ARGV[2] off          JSON array of sentences; "[]" when all promises are kept
  Reply   1 done; 0 somebody else's, or nobody's: nothing was done
  Cost    O(1) ]=]

if redis.call("HGET", KEYS[1], "deployment") ~= ARGV[1] then return 0 end
redis.call("HSET", KEYS[1], "promises_off", ARGV[2])
return 1
