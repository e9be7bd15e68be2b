--[=[ rights: the commands of the script that its Redis user may not run. Redis checks them one by one while the script
  runs and does not roll back: for a user without ZADD, the XADD would be done and the reply lost. ]=]

local function missing_rights()
  -- Command -> arguments for its check.
  local needed = {
    HGET = { QUOTA, "f" },
    HMGET = { META, "f" },
    HSET = { STOCK, "f", "v" },
    UNLINK = { ORDERS[0], ORDERS[1], LIMITS[0], LIMITS[1] },
    XADD = { EVENTS, "1-1", "f", "v" },
    ZADD = { EXPIRY, "0", "m" },
    ZRANGEBYSCORE = { EXPIRY, "-inf", "0" },
    ZREM = { EXPIRY, "m" },
  }
  local missing = {}
  for command, arguments in pairs(needed) do
    -- A command that was renamed is an error here, not "false".
    local known, allowed = pcall(redis.acl_check_cmd, command, unpack(arguments))
    if not (known and allowed) then missing[#missing + 1] = command end
  end
  table.sort(missing)
  return table.concat(missing, ", ")
end
