-- Takes back the order lines that an event of this transaction brought: a basket is kept whole or not at all.
-- $1 shard   $2 seq of the event
delete from order_lines where shard = $1 and seq = $2;
