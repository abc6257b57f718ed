-- Texts of studies are found by any part of three letters or more, without reading all studies.
-- oldest-code: 31

create function index.trigrams(text) returns text[] language sql immutable strict parallel safe
return (select coalesce(array_agg(distinct substr($1, place, 3)), '{}') from generate_series(1, length($1) - 2) place);
comment on function index.trigrams is 'Every three letters that follow one another in a text, each once.';

create index study_description_trigrams on index.study using gin (index.trigrams(lower(description collate "C")));
create index study_physician_trigrams on index.study using gin (index.trigrams(lower(referring_physician collate "C")));

create view index.changed_view as select study_instance_uid, updated_at from index.study;
comment on view index.changed_view is 'When each study changed, and nothing else of it.';

-- Jobs by each filter of the job browser, the newest first.
create index job_of_state on routing.job (state, created_at desc, id desc);
create index job_to on routing.job (destination, created_at desc, id desc);
create index job_retrieves on routing.job (created_at desc, id desc) where kind = 'retrieve';
