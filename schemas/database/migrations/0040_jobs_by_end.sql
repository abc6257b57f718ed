-- Jobs by when they ended: Now counts those of 24 hours, and filters find them, without reading all jobs.
-- oldest-code: 32

create index job_ended on routing.job (state, finished_at) where finished_at is not null;
drop index routing.job_failed;  -- job_ended finds those too
