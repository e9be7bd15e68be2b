-- Numbers of the migrations that these books have had, ascending.
select id from migrations order by id;
