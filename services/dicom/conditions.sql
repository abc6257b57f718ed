-- name: equal
{column} = {value}

-- name: one_of
{column} = any({value}::text[])

-- name: like
{column} like {value}

-- name: like_any
{column} like any({value}::text[])

-- name: at_least
{column} >= {value}

-- name: at_most
{column} <= {value}

-- name: number
-- An integer string may be written +7 or 007 (PS3.5 6.2 IS).
({column} <> '' and ltrim({column}, '+0') = {value})

-- name: name_equal
(v.name_whole = {value} or v.name_ideographic = {value} or v.name_phonetic = {value})

-- name: name_like
(v.name_whole like {value} or v.name_ideographic like {value} or v.name_phonetic like {value})

-- name: name_one_of
(v.name_whole like any({value}::text[]) or v.name_ideographic like any({value}::text[])
 or v.name_phonetic like any({value}::text[]))

-- name: modality_one_of
exists (select from index.series_view e
        where e.study_instance_uid = v.study_instance_uid and e.modality = any({value}::text[]))

-- name: modality_like_any
exists (select from index.series_view e
        where e.study_instance_uid = v.study_instance_uid and e.modality like any({value}::text[]))
