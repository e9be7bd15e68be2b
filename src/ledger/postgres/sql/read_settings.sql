-- Settings of this session, in their base units.
-- $1 JSON array of names
select name, setting from pg_settings where name in (select json_array_elements_text($1::text::json));
