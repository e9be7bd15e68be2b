-- Notes what an event took a second time, to be given back.
-- $1 shard   $2 seq of the event
insert into compensations (shard, seq, sku, amount)
select shard, seq, sku, -delta from movements where shard = $1 and seq = $2 and kind <> 'correction';
