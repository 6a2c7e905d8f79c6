"""The description is what generators of clients need: each rule is one that some generator fails without."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from holdfast.web.v1.openapi import document
from holdfast.web.v1.table import OPERATIONS

DOCUMENT: Final = document(OPERATIONS, "0.1.0")
COMPONENTS: Final[dict[str, dict[str, Any]]] = DOCUMENT["components"]
PROMISED: Final = Path(__file__).parent / "operations.txt"

CONFIDENTIAL: Final = {
    "AskForAccess.code",
    "EnrolmentDocument.uri",
    "NewClient.client_secret",
    "NewCodesDocument.codes",
    "NewToken.token",
    "Redeem.codes",
    "SecretDocument.value",
    "SetSecret.value",
    "TotpCode.code",
}
"""Members that tools must not show."""


def parts(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in the document, and where it stands. Examples are data, and not looked into."""
    if isinstance(part, dict):
        yield path, part
        for key, each in part.items():
            if key != "examples":
                yield from parts(each, f"{path}/{key}")
    if isinstance(part, list):
        for place, each in enumerate(part):
            yield from parts(each, f"{path}/{place}")


def schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema with a type, and where it stands."""
    for path, part in parts(DOCUMENT):
        if isinstance(part.get("type"), str | list) and not path.startswith("/components/securitySchemes"):
            yield path, part


def kinds(schema: dict[str, Any]) -> set[str]:
    """The types that a schema allows."""
    kind = schema["type"]
    return {kind} if isinstance(kind, str) else set(kind)


def operations() -> Iterator[dict[str, Any]]:
    """Every operation."""
    for path in DOCUMENT["paths"].values():
        yield from path.values()


def reached(part: Any) -> set[str]:
    """The names of all schemas that some part leads to."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        names = {each["$ref"].rpartition("/schemas/")[2] for _, each in parts(waiting.pop()) if "$ref" in each}
        names &= set(COMPONENTS["schemas"])
        waiting += [COMPONENTS["schemas"][name] for name in names - found]
        found |= names
    return found


def members() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every member of a schema, as ``Type.member``."""
    for name, schema in COMPONENTS["schemas"].items():
        for member, part in schema.get("properties", {}).items():
            yield f"{name}.{member}", part


def test_it_is_valid_openapi() -> None:
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = {each["$ref"] for _, each in parts(DOCUMENT) if "$ref" in each}
    there = {
        f"#/components/{kind}/{name}"
        for kind, found in COMPONENTS.items()
        for name in found
        if kind != "securitySchemes"
    }
    assert used == there


def test_every_number_has_a_format_and_limits_that_fit_it() -> None:
    wide = {"int32": 2**31 - 1, "int64": 2**53}
    found = [(path, each) for path, each in schemas() if {"integer", "number"} & kinds(each)]
    assert len(found) > 80
    for path, each in found:
        if "number" in kinds(each):
            assert each["format"] == "double", path
        else:
            limits = [each[key] for key in ("minimum", "maximum") if key in each]
            assert all(abs(limit) <= wide[each["format"]] for limit in limits), path
            assert each["format"] == "int64" or len(limits) == 2, path


def test_no_member_has_a_default_for_it_would_be_taken_for_required() -> None:
    assert [path for path, each in schemas() if "default" in each and path.startswith("/components/schemas")] == []
    assert [path for path, each in parts(DOCUMENT) if each.get("default", ...) is None] == []


def test_what_may_be_null_is_one_type_unless_it_is_a_type_of_its_own() -> None:
    for path, each in parts(DOCUMENT):
        choices = [choice for choice in each.get("anyOf", ()) if choice != {"type": "null"}]
        if len(choices) == 1:
            assert "$ref" in choices[0], path


def test_constants_of_enums_have_names_of_their_own() -> None:
    enums = {name: each for name, each in COMPONENTS["schemas"].items() if "enum" in each}
    assert len(enums) > 15
    names = [constant for each in enums.values() for constant in each["x-enum-varnames"]]
    assert all(each["type"] == "string" for each in enums.values())
    assert all(len(each["x-enum-varnames"]) == len(each["enum"]) for each in enums.values())
    assert all(re.fullmatch("[A-Z][A-Z0-9_]*", name) for name in names)
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert all(each.get("type") == "string" for _, each in parts(DOCUMENT) if isinstance(each.get("enum"), list))


def test_names_of_types_are_words() -> None:
    folded = Counter(name.lower() for name in COMPONENTS["schemas"])
    assert all(re.fullmatch("[A-Z][A-Za-z0-9]*", name) for name in COMPONENTS["schemas"])
    assert set(folded.values()) == {1}


def test_a_refusal_is_described_once() -> None:
    for operation in operations():
        for status, answer in operation["responses"].items():
            assert ("$ref" in answer) == (status >= "400"), operation["operationId"]
    for answer in COMPONENTS["responses"].values():
        assert answer["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_an_operation_names_the_refusals_that_are_its_own() -> None:
    found = DOCUMENT["paths"]["/v1/secrets/{name}"]["get"]
    assert found["description"] == (
        "Needs `get` on the secret. Refusals of its own: 403 `secret_unusable`; 404 `secret_not_found`."
    )
    assert "`no_such_path`" in COMPONENTS["responses"]["NotFound"]["description"]


def test_answers_may_gain_members() -> None:
    answers = [answer for each in operations() for status, answer in each["responses"].items() if status < "400"]
    read = reached(answers)
    assert len(read) > 80
    assert [name for name in read if COMPONENTS["schemas"][name].get("additionalProperties") is False] == []


def test_what_must_not_be_shown_is_marked() -> None:
    marked = {
        name for name, part in members() if "password" in (part.get("format"), part.get("items", {}).get("format"))
    }
    assert marked == CONFIDENTIAL


def test_lines_are_bytes_to_a_generator() -> None:
    lines = [
        operation["responses"]["200"]["content"]
        for operation in operations()
        if "application/x-ndjson" in operation["responses"].get("200", {}).get("content", {})
    ]
    assert len(lines) == 2
    kind = {"schema": {"type": "string", "format": "binary"}}
    assert all(each == {"application/x-ndjson": kind, "application/octet-stream": kind} for each in lines)


def test_a_server_is_an_address_to_fill_in() -> None:
    (server,) = DOCUMENT["servers"]
    assert server["url"] == "https://{address}"
    assert set(server["variables"]) == {"address"}


def test_every_member_that_a_tool_would_make_up_has_an_example_that_fits() -> None:
    resources = {"components": COMPONENTS}
    for name, part in members():
        if "$ref" in part or "anyOf" in part or "$ref" in part.get("items", {}):
            continue
        assert part.get("examples"), f"{name} needs an example in web/v1/examples.py"
        for shown in part["examples"]:
            _fits(shown, part, resources)


def test_whole_examples_fit() -> None:
    resources = {"components": COMPONENTS}
    whole = {name: each for name, each in COMPONENTS["schemas"].items() if "properties" in each and "examples" in each}
    assert len(whole) > 10
    for schema in whole.values():
        _fits(schema["examples"][0], schema, resources)
    for parameter in COMPONENTS["parameters"].values():
        for shown in parameter["schema"].get("examples", ()):
            _fits(shown, parameter["schema"], resources)


def _fits(shown: Any, schema: dict[str, Any], resources: dict[str, Any]) -> None:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator({**resources, **schema}, format_checker=checker).validate(shown)


def test_what_was_promised_is_still_there() -> None:
    promised = PROMISED.read_text().splitlines()
    there = [f"{each.id} {each.method} {each.path}" for each in OPERATIONS]
    assert sorted(there) == promised, "an operation goes or changes: no. A new one: add its line"


def test_ids_are_good_names_of_methods() -> None:
    assert [each.id for each in OPERATIONS if not re.fullmatch("[a-z]+([A-Z][a-z]+)*[A-Z]?", each.id)] == []
