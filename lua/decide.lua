#!lua
--[=[ decide: decides a batch of commands of one shard, in order, each at most once, and appends the events to
  the log, atomically.

  KEYS[1] meta      {inventory:<shard>}:meta       hash: deployment, shards, armed, epoch, seq, applied, settings,
                                                   orders_gen, orders_since, orders_marks, limits_gen, limits_since,
                                                   replicas, on_disk, epoch_seen, nonce, nonce_seq, suspect,
                                                   challenge
  KEYS[2] stock     {inventory:<shard>}:stock      hash: SKU -> "<available> <reserved>[ <policy as JSON>]"
  KEYS[3] orders:0  {inventory:<shard>}:orders:0   hash: order id -> its lines (msgpack); \1 and an adjustment id,
                                                   or \2, an order id, \31 and a return id -> the same
  KEYS[4] orders:1  {inventory:<shard>}:orders:1   the other generation
  KEYS[5] limits:0  {inventory:<shard>}:limits:0   hash: user \31 SKU -> time of the user's last purchase, ms
  KEYS[6] limits:1  {inventory:<shard>}:limits:1   the other generation
  KEYS[7] quota     {inventory:<shard>}:quota      hash: user \31 SKU -> "<units bought> <policy's sale>"
  KEYS[8] expiry    {inventory:<shard>}:expiry     sorted set: order id of an open reservation -> when it expires, ms;
                                                   \3 and the order id of prepared lines -> 4 × 10^15 + their number
  KEYS[9] events    {inventory:<shard>}:events     stream: the log; entry id <epoch>-<seq of its last event>

  ARGV[1] commands            JSON array of commands, one behind the other; shapes below. A plain sale is not an array
                              of its own: its 8 positions stand in that of all, which halves the time to decode them
  ARGV[2] epoch               that the caller last read, 0 = none yet
  ARGV[3] settings            of the caller. Those in `meta` are in force, which the worker wrote:
                              "<user limit> <window> <backlog max>"
                                user limit   ms between two accepted purchases of a SKU by a user, 0 = off
                                window       minimum time that a line is remembered, ms
                                backlog max  events that may wait for the ledger before new sales are refused
  ARGV[4] shards              the caller's SHARDS
  ARGV[5] deployment          of the ledger that the caller uses; "" = none

  Commands (every deadline is ms since 1970 on this server's clock)
    deadline, order id, user id, actor, traceparent, SKU, amount, token      a plain sale
    ["deduct", deadline, order id, user id, actor, traceparent, [[SKU, amount], ...], hold, token]
    ["order", deadline, order id, user id, actor, traceparent, [[SKU, amount], ...], hold, token]
    ["reserve", deadline, order id, user id, actor, traceparent, [[SKU, amount], ...], hold, token]
    ["prepare", deadline, order id, user id, actor, traceparent, [[SKU, amount], ...], hold, token, attempt]
    ["commit", deadline, order id, number, actor, traceparent]
    ["abort", deadline, order id, number, actor, traceparent]
    ["confirm", deadline, order id, actor, traceparent, lines or null, owner]
    ["cancel", deadline, order id, actor, traceparent, owner]
    ["extend", deadline, order id, hold, actor, traceparent, owner]
    ["return", deadline, order id, return id, actor, traceparent, reason, [[SKU, amount], ...], ledger or null, owner]
    ["adjust", deadline, adjustment id, SKU, delta, actor, traceparent, reason, reference, second sale or null]
    ["set", deadline, adjustment id, SKU, available, expected or null, actor, traceparent, reason, reference]
    ["pause", deadline, SKU, actor, traceparent, reason]
    ["resume", deadline, SKU, actor, traceparent, reason]
    ["rules", deadline, SKU, opens or null, closes or null, quota or null, token, expected or null, actor, traceparent]
    ["stock", deadline, SKU]
    ["lookup", deadline, order id]
    plain sale   a deduct of one SKU; JSON writes its texts as they are, without an escape
    number   of the event that prepared the lines
    attempt  of a basket of several shards: "<lowest shard>/<UUID>"; earlier versions send none
    hold     ms that a reservation lasts from when it was made, else 0
    token    whether the request had a valid purchase token; in rules, whether a sale needs one
    lines    [[SKU, amount], ...];   ledger   [last number in it, [the order's lines], [the return's lines]], when it was
             read; lines as they are remembered, see state.lua
    second sale   [order id, its number, units that the first sold, units returned since]: the worker
             returns what was sold twice
    opens, closes   ms since 1970
    owner    lines of another actor are not changed; "" = every line may be
    expected   in set: units that must be available, null = the SKU has no stock yet; in rules: the version of the
             rules that the caller has read, 0 = none were ever set, null = the SKU does not exist, and is created

  Reply   JSON, one of
    ["decided", now in ms, head of the log, [reply, ...], replicas, disk, more due, settings]   one reply a command, in
                                                            order
    ["unarmed", now in ms]                                  not verified since this server changed: nothing done
    ["stale_epoch", now in ms, current epoch]               nothing done, send again with that epoch
    ["stale_server", now in ms, epoch here]                 the caller has read a newer epoch: the shard is disarmed,
                                                            and its worker arms it above that epoch
    ["foreign", now in ms, what]                            armed for another deployment, or another number of shards
    ["no_rights", now in ms, what]                          commands that the caller's Redis user may not run: nothing done
                                                            (checked at epoch 0 and for an empty batch)
    error HALFDONE                                          the log has the events, a later write was refused: the
                                                            shard is disarmed, its stock is behind its log
    more due   1: more reservations have expired than this call released: the next call continues
    replicas   that must have this, in memory or (disk = 1) on disk, before a reply may be sent on
    settings   those in force, when the caller's differ; else ""
  Replies of commands
    ["accepted", seq, [available, ...], expires]   done; one number a line; expires in ms, 0 = never
    ["sold", seq, available]              a plain sale is done
    available                             the same; its seq is one above that of the plain sale done before it
    ["created", seq, [available], 0]               an adjustment, or rules, that made the SKU
    ["replayed", seq, [available, ...], expires]   done before: the first reply again
    ["replayed_created", seq, [available], 0]
    ["settled", seq, state, [[SKU, units confirmed, available], ...]]            "confirmed" or "cancelled"
    ["replayed_settled", seq, state, [[SKU, units confirmed, available], ...]]
    ["extended", seq, expires]
    ["conflict", SKU]                     done before with other contents
    ["unknown_sku", SKU]
    ["unknown_order"]                     this shard remembers no sale of that id
    ["unknown_reservation"]
    ["forbidden"]                         another token made the lines: no effect
    ["already_confirmed"]
    ["already_cancelled"]
    ["reservation_expired"]
    ["exceeds", SKU, units]               more than is reserved, or was sold
    ["stale", SKU, available]             the stock differs from the expected one
    ["stale_rules", SKU, version]         the version differs from the expected one
    ["paused", SKU]
    ["not_open", SKU, opens]
    ["sale_closed", SKU, closes]
    ["token_required", SKU]
    ["insufficient", SKU, available]
    ["rate_limited", SKU, retry after in ms]
    ["quota_exceeded", SKU, quota, left]
    ["stock_limit", SKU, available]       the sum would pass 10^12 units
    ["order_full"]                        the order has 100 lines in this shard
    ["backlog_full"]                      the ledger is too far behind to sell more
    ["late"]                              the deadline has passed: no effect, now or ever
    ["postponed", lines]                  no effect: the call is at its limit (`lines` of the command's order were to be
                                          read), or units on which the decision depends are reserved by expired
                                          reservations that are not released yet (0): send again
    ["pending"]                           an earlier attempt of this order is prepared here and not decided
    ["forgotten"]                         this shard may have forgotten the order, or this return: read the ledger
    ["ledger_behind"]                     the ledger has not yet applied all that this shard may have forgotten
    ["stock", SKU, available, reserved, seq, policy]
    ["order", lines or null, forgotten, window]   lines as they are remembered, see state.lua; the last number that
                                          may be forgotten; minimum time that a line is remembered, ms

  Order   arming, reads, expired reservations, decisions, every argument, then writes with XADD first: only XADD can
          still be refused (when XADD was last, a lost meta key with a kept stream took stock and wrote no event).
          Redis does not roll back: when a write after the first fails, the shard is disarmed, and the worker
          rebuilds it with these events in the ledger.
  Cost    n commands: O(n); 4 reads and 2 to 7 writes a batch, more only above 4000 fields. Without a sale: no write.
          At most 256 remembered lines are read for commands and 256 expired ones released, or one order's of each.
  After a crash of the caller, the same commands get the same replies. ]=]

-- @include "state.lua"
-- @include "rights.lua"
-- @include "read.lua"
-- @include "write.lua"
-- @include "sell_one.lua"

-- All other decisions. Lua looks for each variable of each function that it makes, in a list of all of the script:
-- 30 us of a call that needs none of them.
local function load_decisions()
-- @include "lines.lua"
-- @include "sell.lua"
-- @include "hold.lua"
-- @include "basket.lua"
-- @include "return_units.lua"
-- @include "stock.lua"

  local decide = {
    deduct = sell,
    order = sell,
    reserve = sell,
    prepare = sell,
    commit = commit_lines,
    abort = abort_lines,
    confirm = confirm,
    cancel = cancel,
    extend = extend,
    ["return"] = return_units,
    adjust = adjust,
    set = set,
    pause = pause,
    resume = pause,
    rules = rules,
    stock = read_stock,
    lookup = lookup,
  }
  return decide, lapse
end

if ARGV[2] == "0" or ARGV[1] == "[]" then
  local missing = missing_rights()
  if missing ~= "" then return cjson.encode({ "no_rights", now, missing }) end
end

local meta = redis.call("HMGET", META, "armed", "epoch", "seq", "applied",
  "orders_gen", "orders_since", "limits_gen", "limits_since", "shards", "deployment", "replicas", "on_disk",
  "settings", "orders_marks")
local replication = redis.call("INFO", "replication")
local _, before_id = string.find(replication, "master_replid:", 1, true) -- 0.15 us where a pattern takes 0.9
local server = string.sub(replication, before_id + 1, before_id + 40)
-- Without settings it was armed by an earlier version: the worker writes them with its next acknowledgement.
if not meta[1] or meta[1] ~= server or not meta[13] then
  return cjson.encode({ "unarmed", now })
end

if meta[9] ~= ARGV[4] then return cjson.encode({ "foreign", now, "SHARDS=" .. meta[9] }) end
if ARGV[5] ~= "" and meta[10] ~= ARGV[5] then
  return cjson.encode({ "foreign", now, "deployment " .. meta[10] })
end

local epoch, caller_epoch = tonumber(meta[2]), tonumber(ARGV[2])
if caller_epoch > epoch then
  -- A server that was left behind; or the ledger went back and issued epochs again, and this is the one to go on with.
  redis.call("HDEL", META, "armed")
  redis.call("HSET", META, "epoch_seen", ARGV[2])
  return cjson.encode({ "stale_server", now, epoch })
end
if caller_epoch < epoch then return cjson.encode({ "stale_epoch", now, epoch }) end

local commands = cjson.decode(ARGV[1])
begin(meta)
local due, waiting, pair_of = prefetch(commands, read_due())
local decide, lapse
if #due > 0 then
  decide, lapse = load_decisions()
  lapse(due)
end

-- The reply to a command. `excess`: lines for which it has to wait, when they were counted before.
local function reply_to(command, excess)
  excess = excess or admit(command)
  if command[2] < now then return { "late" } end
  if excess > 0 then return { "postponed", excess } end
  if not decide then decide = load_decisions() end
  local reply = decide[command[1]](command)
  read_lines = read_lines - unread_lines(command) -- most refusals read no line
  return reply
end

-- The plain sale at a position, as any other deduct.
local function as_deduct(position)
  local deadline, order, user, actor, traceparent, sku, amount, token =
    unpack(commands, position, position + PLAIN_SALE - 1)
  local kind, lines, hold = "deduct", { { sku, amount } }, 0
  return { kind, deadline, order, user, actor, traceparent, lines, hold, token }
end

local replies, plain_sales, position = {}, 0, 1
while commands[position] do
  local command, reply = commands[position], nil
  if type(command) == "number" then
    plain_sales = plain_sales + 1
    reply = command >= now and sell_one(commands, position, pair_of[plain_sales])
      or cjson.encode(reply_to(as_deduct(position)))
    position = position + PLAIN_SALE
  else
    reply = cjson.encode(reply_to(command, waiting[position]))
    position = position + 1
  end
  replies[#replies + 1] = reply
end

-- The worker sets how many replicas replies wait for. A replica that has just acknowledged counts from then on; it
-- acknowledges once a second.
local replicas, heard = tonumber(meta[11] or "0"), 0
if string.find(replication, "state=online", 1, true) then -- the pattern takes 1.6 us
  for lag in string.gmatch(replication, "state=online,offset=[1-9]%d*,lag=(%d+)") do
    if tonumber(lag) <= 2 then heard = heard + 1 end
  end
end
replicas = math.max(replicas, heard)

local committed, failure = pcall(commit, epoch, replicas)
if not committed then
  if not log_written then error(failure, 0) end
  pcall(redis.call, "HSET", META, "armed", "") -- the log is ahead of the stock: the worker must rebuild the shard
  return redis.error_reply("HALFDONE " .. (type(failure) == "table" and failure.err or tostring(failure)))
end

local body = table.concat(replies, ",")
local disk, due_left = tonumber(meta[12] or "0"), more_due and 1 or 0
local settings = meta[13] ~= ARGV[3] and meta[13] or ""
return string.format('["decided",%.0f,%.0f,[%s],%d,%d,%d,"%s"]', now, seq, body, replicas, disk, due_left, settings)
