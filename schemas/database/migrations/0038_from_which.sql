-- From which rule set a draft was begun.
-- oldest-code: 32

alter table config.rule_draft add base int check (base >= 0);
comment on column config.rule_draft.base is
    'Number of the rule set it was begun from, or was compared with since; 0: none was live; null: not known.';
