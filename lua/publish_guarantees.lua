#!lua flags=allow-oom
--[=[ publish_guarantees: the worker writes beside a shard how it stands, if it is this deployment's.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] deployment
  ARGV[2] field        ARGV[3] value
            "promises_off"  JSON array of sentences: the promises that its servers do not keep; "[]" when all are kept
            "verifying"     "": the worker verifies it; the time is noted, ms
            "refusal"       why the worker did not arm it; lua/arm.lua takes it away
            "log_way"       where the worker reads the log
  Reply   1 done; 0 somebody else's, or nobody's: nothing was done
  Cost    O(1) ]=]

if redis.call("HGET", KEYS[1], "deployment") ~= ARGV[1] then return 0 end
local value = ARGV[3]
if ARGV[2] == "verifying" then
  local clock = redis.call("TIME")
  value = string.format("%.0f", clock[1] * 1000 + math.floor(clock[2] / 1000))
end
redis.call("HSET", KEYS[1], ARGV[2], value)
return 1
