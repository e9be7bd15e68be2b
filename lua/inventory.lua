#!lua
--[=[ inventory: decides a batch of commands of one shard, in order, each at most once, and writes the facts to
  the log: all of it or nothing.

  KEYS[1] meta      {inventory:<shard>}:meta       hash: deployment, shards, armed, epoch, seq, applied,
                                                   orders_gen, orders_since, limits_gen, limits_since
  KEYS[2] stock     {inventory:<shard>}:stock      hash: SKU -> "<available> <reserved>[ <policy as JSON>]"
  KEYS[3] orders:0  {inventory:<shard>}:orders:0   hash: order id, or \1 and an adjustment id -> its lines (msgpack)
  KEYS[4] orders:1  {inventory:<shard>}:orders:1   the other generation
  KEYS[5] limits:0  {inventory:<shard>}:limits:0   hash: user \31 SKU -> when the user last bought it, ms
  KEYS[6] limits:1  {inventory:<shard>}:limits:1   the other generation
  KEYS[7] events    {inventory:<shard>}:events     stream: the log; entry id <epoch>-<seq of its last event>

  ARGV[1] commands            JSON array of commands; shapes below
  ARGV[2] epoch               as the caller last saw it, 0 = not yet
  ARGV[3] user limit          ms between two accepted purchases of a SKU by a user, 0 = off
  ARGV[4] idempotency window  ms that a line is remembered at least
  ARGV[5] backlog max         events that may wait for the ledger before new sales are refused
  ARGV[6] shards              the caller's SHARDS
  ARGV[7] deployment          whose ledger the caller knows; "" = none

  Commands (every deadline is ms since 1970 on this server's clock)
    ["deduct", deadline, order id, user id, fingerprint, actor, traceparent, [[SKU, amount], ...]]
    ["adjust", deadline, adjustment id, SKU, delta, fingerprint, actor, traceparent, reason, reference]
    ["stock", deadline, SKU]
    ["lookup", deadline, order id]

  Reply   JSON, one of
    ["decided", now in ms, head of the log, [reply, ...]]   one reply a command, in order
    ["unarmed", now in ms]                                  not verified since this server changed: nothing done
    ["stale_epoch", now in ms, current epoch]               nothing done, ask again under that epoch
    ["stale_server", now in ms, epoch here]                 the caller has seen a newer epoch: nothing done
    ["foreign", now in ms, what]                            armed for another deployment, or another number of shards
  Replies of commands
    ["accepted", seq, [available, ...]]   taken; one figure a line
    ["created", seq, [available]]         an adjustment that made the SKU
    ["replayed", seq, [available, ...]]   taken before: the first answer again
    ["replayed_created", seq, [available]]
    ["conflict", SKU]                     taken before with other contents
    ["unknown_sku", SKU]
    ["paused", SKU]
    ["insufficient", SKU, available]
    ["rate_limited", SKU, retry after in ms]
    ["stock_limit", SKU, available]       the sum would pass 10^12 units
    ["order_full"]                        the order has 100 lines in this shard
    ["backlog_full"]                      the ledger is too far behind to sell more
    ["late"]                              the deadline has passed: no effect, now or ever
    ["stock", SKU, available, reserved, paused 0 or 1, seq]
    ["order", [[SKU, fingerprint, kind, amount, available after, seq, at in ms, user id], ...]]

  Order   arming, reads, decisions, every argument, then writes with XADD first: it alone can still be refused
          (with meta lost and the stream kept, stock was taken and no event written when XADD came last).
          Redis does not roll back, so nothing after the first write may fail.
  Cost    n commands: O(n); 3 reads and 2 to 5 writes a batch, more only past 4000 fields. Without a sale: no write.
  If the caller dies, the same commands give the same replies. ]=]

-- @include "state.lua"
-- @include "sell.lua"
-- @include "stock.lua"

local meta = redis.call("HMGET", META, "armed", "epoch", "seq", "applied",
  "orders_gen", "orders_since", "limits_gen", "limits_since", "shards", "deployment")
local server = string.match(redis.call("INFO", "replication"), "master_replid:(%x+)")
if not meta[1] or meta[1] ~= server then
  return cjson.encode({ "unarmed", now })
end

if meta[9] ~= ARGV[6] then return cjson.encode({ "foreign", now, "SHARDS=" .. meta[9] }) end
if ARGV[7] ~= "" and meta[10] ~= ARGV[7] then
  return cjson.encode({ "foreign", now, "deployment " .. meta[10] })
end

local epoch, caller_epoch = tonumber(meta[2]), tonumber(ARGV[2])
if caller_epoch > epoch then return cjson.encode({ "stale_server", now, epoch }) end
if caller_epoch < epoch then return cjson.encode({ "stale_epoch", now, epoch }) end

local decide = { deduct = sell, adjust = adjust, stock = read_stock, lookup = lookup }

local commands = cjson.decode(ARGV[1])
begin(meta)
prefetch(commands)

local replies = {}
for i = 1, #commands do
  local command = commands[i]
  if command[2] < now then
    replies[i] = LATE
  else
    replies[i] = decide[command[1]](command)
  end
end

commit(epoch)

-- An empty table encodes as {}, so an empty batch is spelled out.
local body = #replies > 0 and cjson.encode(replies) or "[]"
return string.format('["decided",%.0f,%.0f,%s]', now, seq, body)
