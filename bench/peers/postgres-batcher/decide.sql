-- Decides a batch: $1 = [{n, order_id, sku, user_id, amount}], each order once. The rows of the SKUs are locked in
-- the order of their names, so two batches cannot wait for each other. A row a command: `added` = accepted now,
-- `known` = the stock after it when it was accepted before, `available` = null for an unknown SKU.
with asked as materialized (
  select n, order_id, sku, user_id, amount
  from json_to_recordset($1::text::json) as line (n int, order_id text, sku text, user_id text, amount bigint)
), locked as materialized (
  select sku, available from stock where sku in (select sku from asked) order by sku for update
), known as materialized (
  select order_id, remaining from orders where order_id in (select order_id from asked)
), wanted as materialized (
  select asked.*, (available - sum(amount) over (partition by sku order by n))::bigint as remaining
  from asked join locked using (sku)
  where order_id not in (select order_id from known)
), added as (
  insert into orders (order_id, sku, user_id, amount, remaining)
  select order_id, sku, user_id, amount, remaining from wanted where remaining >= 0
  on conflict (order_id) do nothing
  returning order_id, sku, amount, remaining
), taken as (
  update stock set available = stock.available - sold.units
  from (select sku, sum(amount)::bigint as units from added group by sku) as sold
  where stock.sku = sold.sku
)
select
  asked.n,
  added.remaining::float8 as added,
  known.remaining::float8 as known,
  wanted.remaining::float8 as wanted,
  locked.available::float8 as available
from asked
left join locked using (sku)
left join wanted on wanted.n = asked.n
left join added on added.order_id = asked.order_id
left join known on known.order_id = asked.order_id
order by asked.n
