"""Compiled rules say what the language's description says, whatever the rules and the header."""

import io
from typing import Any

from hypothesis import HealthCheck, given, settings

from services.dicom.facts import read_elements, read_header
from services.dicom.rules import CompiledRules, Subject, compile_rules, read, sends
from tests.unit.rules import generated
from tests.unit.rules.reference import deliveries, routed


def subject(made: generated.Made) -> Subject:
    """The instance as storage has its facts."""
    source = io.BytesIO(made.instance.data_set)
    header = read_header(source, 0, len(made.instance.data_set), made.instance.transfer_syntax_uid)
    return Subject(facts=header.facts, **made.came)


def completed(made: generated.Made, rules: CompiledRules, from_facts: Subject) -> Subject:
    """With what rules need from the object."""
    asked = rules.needs_object(from_facts)
    source, size = io.BytesIO(made.instance.data_set), len(made.instance.data_set)
    elements = read_elements(source, 0, size, made.instance.transfer_syntax_uid, asked)
    return from_facts.with_elements(elements, asked)


@given(generated.rules(), generated.instances())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_compiled_rules_agree_with_the_plain_evaluation(rules: list[dict[str, Any]], made: generated.Made) -> None:
    compiled = compile_rules(read({"version": 1, "rules": rules}))
    from_facts = subject(made)
    whole = completed(made, compiled, from_facts)
    matches = compiled.evaluate(whole)
    assert [match.rule for match in matches] == routed(rules, made.header, made.came)
    sent = {to: match.rule for match, to in sends(matches, made.came["calling_aet"])}
    assert sent == deliveries(rules, made.header, made.came)
    assert [told.rule for told in compiled.explain(whole) if told.matched] == [match.rule for match in matches]
    if not compiled.undecided(from_facts):
        assert compiled.evaluate(from_facts) == matches, "the object was said not to matter"
