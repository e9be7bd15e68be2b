-- An adjustment is looked up by its id: to know one that is sent again after the idempotency window.
create index movements_adjusted on movements (shard, order_id, sku) where kind in ('adjust', 'create', 'set');
