"""A template gives the text that Go's text/template would give, or says where it is wrong."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gadus.core.errors import InvalidSpec
from gadus.core.template.render import render

VARIABLES = {"name": "bob", "list": "a,b,c", "empty": "", "count": "3", "with-dash": "d"}


def problem_of(text: str) -> InvalidSpec:
    with pytest.raises(InvalidSpec) as caught:
        render(text, VARIABLES, "job.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain } } { text", "plain } } { text"),
        ("key: {date}/{jobID}", "key: {date}/{jobID}"),
        ("a {{.name}} b", "a bob b"),
        ("{{ .name }}{{$.name}}{{(.name)}}", "bobbobbob"),
        ("a {{- .name -}} \n b", "abobb"),
        ("a {{- /* c }} */ -}} \n b", "ab"),
        ("a{{/* c\n{{ */}}b", "ab"),
        ('{{"a\\tb\\"\\x41\\u00e9"}}{{`c\\d`}}{{7}}{{-7}}{{true}}', 'a\tb"Aéc\\d7-7true'),
        ("{{`}}`}}", "}}"),
        ('{{index . "with-dash"}}{{index . "missing"}}', "d"),
        ('{{or (index . "missing") "default"}}', "default"),
        ('{{or .name "x"}}{{or .empty ""}}{{and .name .count}}{{and .empty .name}}', "bob3"),
        ("{{or .name .undefined}}{{and .empty .undefined}}", "bob"),
        ("{{if .empty}}A{{else}}B{{end}}{{if .name}}C{{end}}", "BC"),
        ('{{if eq .name "x"}}1{{else if eq .name "y" "bob"}}2{{else if .name}}3{{else}}4{{end}}.', "2."),
        ('{{if ne .name "x"}}1{{end}}{{if not .empty}}2{{end}}{{eq 1 2 1}}{{eq 1 "1"}}', "12truefalse"),
        ("{{with .name}}<{{.}}{{$.count}}>{{else}}no{{end}}{{with .empty}}{{else}}no{{end}}", "<bob3>no"),
        ('{{range split .list ","}}<{{.}}{{$.name}}>{{end}}', "<abob><bbob><cbob>"),
        ('{{range split .empty ","}}x{{else}}none{{end}}', "none"),
        ('{{index (split .list ",") 1}}{{split .list ","}}', "b[a b c]"),
        ('{{printf "%s-%d-%q-%v%%" .name .count .name true}}', 'bob-3-"bob"-true%'),
        ('{{.name | printf "%s/%s" "x" | printf "%q"}}', '"x/bob"'),
        ("{{if .name}}{{if .empty}}a{{else}}b{{end}}{{end}}", "b"),
    ],
)
def test_template_gives_what_go_gives(text: str, expected: str) -> None:
    assert render(text, VARIABLES, "job.yaml") == expected


def test_values_are_not_templates() -> None:
    assert render("{{.a}}", {"a": "{{.b}}"}, "job.yaml") == "{{.b}}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\n\n{{.nme}}", "job.yaml (line 3): template variable 'nme' is not defined"),
        ("{{.nme}}", "did you mean name?"),
        ("{{/*\n\n*/}}{{if .name}}\n{{.zzz}}{{end}}", "job.yaml (line 4): template variable 'zzz'"),
        ("{{foo .name}}", "'foo' is not a function of templates; known: eq, index, ne, not, printf, split, and, or"),
        ("{{splt .name}}", "did you mean split?"),
        ("{{template}}", "'template' is not a function"),
        ("{{.name", "the action has no }}"),
        ("{{/* a", "the comment {{/* has no */}}"),
        ("\n{{if .name}}", "job.yaml (line 2): {{if …}} has no {{end}}"),
        ("{{end}}", "end closes nothing"),
        ("{{else}}", "else belongs into"),
        ("{{if .name}}{{else}}{{else}}{{end}}", "else belongs into"),
        ("{{with .name}}{{else if .name}}{{end}}", "else if does not belong into with"),
        ("{{$x := 1}}", "no variables of their own"),
        ("{{.}}", "this stands for all variables"),
        ("{{.name.first}}", "a text has no field .first"),
        ("{{range .list}}{{end}}", "range goes over a list"),
        ("{{}}", "a value is missing"),
        ("{{(.name}}", "a ) is missing"),
        ("{{.name)}}", "a ) too many"),
        ('{{.name "a"}}', "only functions take values"),
        ("{{or}}", "or needs values"),
        ("{{not 1 2}}", "not takes 1 values, not 2"),
        ("{{eq 1}}", "eq takes at least 2 values"),
        ('{{index (split .list ",") 3}}', "index 3 is outside a list of 3"),
        ('{{split .list ""}}', "split takes a text and what stands between"),
        ('{{printf "%5d" 1}}', "printf does not know %5"),
        ('{{printf "%d" .name}}', "printf cannot write a text as %d"),
        ('{{printf "%s"}}', "more verbs than values"),
        ('{{printf "a" 1}}', "fewer verbs than values"),
        ('{{"\\q"}}', "is not an escape"),
        ("{{" + "(" * 100 + "}}", "at most 64"),
        ("{{.name" + "|not" * 100 + "}}", "at most 64"),
        ("{{if .name}}" * 100, "deeper than 64"),
    ],
)
def test_mistake_is_named_with_its_line(text: str, problem: str) -> None:
    assert problem in problem_of(text).message


def test_undefined_variable_tells_how_to_give_it() -> None:
    assert "-V who=value" in problem_of("{{.who}}").hint


def test_message_never_holds_a_variables_value() -> None:
    for text in ("{{.key.x}}", "{{range .key}}{{end}}", '{{printf "%d" .key}}', "{{index .key 1}}", "{{.kez}}"):
        with pytest.raises(InvalidSpec) as caught:
            render(text, {"key": "s3cret"}, "job.yaml")
        assert "s3cret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        '{{range split .many ","}}{{$.many}}{{end}}',
        '{{range split .many ","}}{{range split $.many ","}}{{range split $.many ","}}{{end}}{{end}}{{end}}',
        "{{with .many}}" + '{{with printf "%s%s" . .}}' * 40 + "{{end}}" * 41,
        '{{printf "' + "%s" * 2000 + '"' + " .many" * 2000 + "}}",
    ],
)
def test_templates_cannot_grow_or_run_without_bound(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidSpec, match=r"more than|too many steps"):
        render(text, {"many": "x," * 5_000}, "job.yaml")
    assert time.monotonic() - started < 20


WORDS = re.findall(
    r"\S+",
    """
{{ }} {{- -}} if else end with range .name . $ ( ) | or and not eq index printf split .list "," "%s%v" "name" 7 /* */ ` true
{{end}} {{else}} {{if {{range {{with
""",
)
ACTIONS = st.lists(st.sampled_from([*WORDS, " ", "\n"]), max_size=30).flatmap(
    lambda words: st.sampled_from(["", " "]).map(lambda blank: blank.join(words))
)


@settings(deadline=None)
@given(st.text() | ACTIONS | ACTIONS.map(lambda text: "{{" + text + "}}"))
@example("{{- -}}")
@example("{{1.5}}")
@example('{{"' + "\\" * 9 + '"}}')
def test_any_template_gives_text_or_is_refused(text: str) -> None:
    try:
        assert isinstance(render(text, VARIABLES, "job.yaml"), str)
    except InvalidSpec as refused:
        assert refused.problems
