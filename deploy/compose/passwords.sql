-- Gives the roles of roles.sql their passwords, when PostgreSQL's container makes the database.
\getenv api POSTGRES_API_PASSWORD
\getenv worker POSTGRES_WORKER_PASSWORD
alter role holdfast_api password :'api';
alter role holdfast_worker password :'worker';
