-- name: limit_statement
select set_config('statement_timeout', %(milliseconds)s, true)

-- name: find_patient
select {columns} from index.query_patient_view v where {conditions}

-- name: find_study
select {columns} from index.query_study_view v where {conditions}

-- name: find_series
select {columns} from index.query_series_view v where {conditions}

-- name: find_image
select {columns} from index.query_instance_view v where {conditions}
