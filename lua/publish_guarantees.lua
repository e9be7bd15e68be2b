#!lua flags=allow-oom
--[=[ publish_guarantees: the worker writes a status field of a shard, if the shard is this deployment's.

  KEYS    the nine keys of lua/decide.lua, in the same order
  ARGV[1] deployment
  ARGV[2] field        ARGV[3] value
            "promises_off"  JSON array of sentences: the guarantees that its servers do not keep; "[]" when all are kept
            "verifying"     "": the worker verifies the shard; the stored value is the time, ms
            "refusal"       why the worker did not arm it; lua/arm.lua removes it
            "log_way"       where the worker reads the log
            "reconciled"    JSON: the result of the last reconciliation with the ledger
  Reply   1 done; 0 of another deployment, or of none: nothing was done
  Cost    O(1) ]=]

if redis.call("HGET", KEYS[1], "deployment") ~= ARGV[1] then return 0 end
local value = ARGV[3]
if ARGV[2] == "verifying" then
  local clock = redis.call("TIME")
  value = string.format("%.0f", clock[1] * 1000 + math.floor(clock[2] / 1000))
end
redis.call("HSET", KEYS[1], ARGV[2], value)
return 1
