-- Which of these server processes still run. $1: their ids, a JSON array.
select pid from pg_stat_activity
where pid in (select value::integer from json_array_elements_text($1::text::json));
