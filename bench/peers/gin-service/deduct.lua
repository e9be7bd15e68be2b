-- one atomic stock deduction.
-- KEYS[1] stock key   ARGV[1] amount   ARGV[2] user id   ARGV[3] order id
-- Returns {code, word[, stock]}: 0 done, -1 no such stock, -2 too little, -3 same user and SKU within a second.
-- The limit key and the log key are built here and not passed in KEYS.
local key, amount, user, order = KEYS[1], tonumber(ARGV[1]), ARGV[2], ARGV[3]

local stock = redis.call('GET', key)
if not stock then
    return {-1, 'stock_not_found'}
end
stock = tonumber(stock)

if stock < amount then
    return {-2, 'insufficient_stock', stock}
end

-- the limit is counted only for requests that the stock could satisfy
local limit = 'inventory:user_limit:' .. user .. ':' .. key
local seen = redis.call('INCR', limit)
if seen == 1 then
    redis.call('EXPIRE', limit, 1)
else
    return {-3, 'rate_limit_exceeded'}
end

local left = redis.call('DECRBY', key, amount)

local log = 'inventory:log:' .. order
redis.call('HSET', log,
    'sku', key,
    'user_id', user,
    'deduct_amount', amount,
    'old_stock', stock,
    'new_stock', left,
    'timestamp', redis.call('TIME')[1])
redis.call('EXPIRE', log, 86400)

return {0, 'success', left}
