-- What a person accepted last for a shard and was not done yet.
-- $1 shard
select id, from_seq as "fromSeq", to_seq as "toSeq", source, actor, reason
from recoveries where shard = $1 and done_at is null order by id desc limit 1;
