"""Mapping files and the variables that secrets go to by name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.cli.bindings import Binding, among, named, read_map, variable_of, with_variables
from holdfast.cli.steering import steers
from holdfast.domain.names import canonical_name, matches
from holdfast.errors import InvalidInput

NAMES = st.from_regex(r"[a-z0-9-]{1,127}", fullmatch=True).map(canonical_name)


def written(folder: Path, text: str) -> Path:
    file = folder / "map.toml"
    file.write_text(text)
    return file


def test_a_file_binds_in_its_order(tmp_path: Path) -> None:
    text = 'B = "Db-Password"\nA = { secret = "db", version = 3 }\nC = { secret = "db", stage = "previous" }\n'
    assert read_map(written(tmp_path, text)) == [
        Binding(variable="B", name=canonical_name("db-password")),
        Binding(variable="A", name=canonical_name("db"), version=3),
        Binding(variable="C", name=canonical_name("db"), stage="previous"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "binds no variable"),
        ("A = =", "no TOML file (at line 1)"),
        ("A = 3", "A must name a secret"),
        ('A = "s3cr_t"', "A must name a secret"),
        ('"A-B" = "db"', "no name of a variable"),
        ('A = { secret = "db", version = 0 }', "A must name a secret"),
        ('A = { secret = "db", stage = "next" }', "A must name a secret"),
        ('A = { secret = "db", version = 1, stage = "previous" }', "either version or stage"),
        ('A = { name = "db" }', "A may have secret"),
        ("A = { version = 1 }", "A must name a secret"),
        ("A = " + 100_000 * "[", "no TOML file"),
        ("#" * 1_000_001, "the limit"),
    ],
)
def test_what_is_no_such_file_is_refused_without_repeating_it(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_map(written(tmp_path, text))
    assert said in str(refused.value)
    assert "s3cr_t" not in str(refused.value)
    assert refused.value.__context__ is None or "s3cr_t" not in str(refused.value.__context__)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_map(tmp_path / "none")


def test_a_pattern_narrows_the_file_and_must_cover_something() -> None:
    bindings = [Binding(variable=each.upper(), name=canonical_name(f"pay-{each}")) for each in ("a", "b")]
    assert among(bindings, ["pay-a"]) == bindings[:1]
    with pytest.raises(InvalidInput, match="covers none"):
        among(bindings, ["pay-*", "other-*"])


@given(st.lists(NAMES, max_size=8, unique=True))
def test_no_two_secrets_share_a_variable(names: list[str]) -> None:
    found = []
    for name in names:
        try:
            found.append(variable_of(canonical_name(name)))
        except InvalidInput:
            continue
    assert len(set(found)) == len(found)
    assert all(variable.isidentifier() and variable.isascii() for variable in found)


def test_names_on_the_command_line_are_names_patterns_or_pairs() -> None:
    name = canonical_name("db-1")
    assert named("DB-1") == Binding(name=name)
    assert named("PATH=db-1") == Binding(name=name, variable="PATH")
    assert named("Pay-*") == "pay-*"
    for wrong in ("", "=db", "A-B=db", "A=", "A=pay-*", "a b"):
        with pytest.raises(InvalidInput):
            named(wrong)


def test_a_variable_that_two_secrets_are_for_is_refused() -> None:
    one, other = (Binding(name=canonical_name(each), variable="A") for each in ("one", "other"))
    assert with_variables([one, one]) == {"A": one}
    with pytest.raises(InvalidInput, match="A is asked for twice: one and other"):
        with_variables([one, other])


@pytest.mark.parametrize("name", ["ld-preload", "path", "python-startup", "https-proxy", "node-options", "1st"])
def test_a_name_alone_sets_nothing_that_steers_a_process(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"--secret [A-Z_]+="):
        variable_of(canonical_name(name))


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "*-opts",
        "*s",
        "j*",
        "java*",
        "java-*",
        "java-o*",
        "aws-*",
        "azure-*",
        "kube*",
        "pg*",
        "ld-*",
        "-*",
        "-x-*",
        "lua-*s",
        "django-*",
        "gunicorn-*",
        "psql-*",
        "qt-*",
        "uv-*",
    ],
)
def test_a_pattern_that_leaves_the_choice_of_variables_to_others_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="--map FILE"):
        named(pattern)


@pytest.mark.parametrize("pattern", ["pay-*", "payments-*-url", "pay-db*", "team-a-*"])
def test_a_pattern_with_a_prefix_of_its_own_is_taken(pattern: str) -> None:
    assert named(pattern) == pattern


@given(st.from_regex(r"[a-z0-9]{1,9}-[a-z0-9-]{0,9}\*[a-z0-9-]{0,9}", fullmatch=True), NAMES)
def test_what_a_pattern_covers_has_the_prefix_that_the_operator_wrote(pattern: str, name: str) -> None:
    prefix = pattern.partition("-")[0].upper() + "_"
    try:
        taken, variable = named(pattern), variable_of(canonical_name(name))
    except InvalidInput:
        return
    assert isinstance(taken, str)
    assert not matches(taken, name) or variable.startswith(prefix)


WAYS = """
    ERL_AFLAGS ERL_FLAGS LUA_INIT MAVEN_OPTS JAVA_OPTS CATALINA_OPTS GRADLE_OPTS RUSTC_WRAPPER MAKEFLAGS
    KUBECONFIG AWS_CONFIG_FILE AWS_ENDPOINT_URL PGHOST PGSSLMODE RSYNC_RSH SVN_SSH SSH_ASKPASS
    SUDO_ASKPASS GEM_PATH BUNDLE_GEMFILE ANSIBLE_CONFIG DOCKER_HOST OPENSSL_ENGINES SSLKEYLOGFILE
    AZURE_AUTHORITY_HOST BASH_ENV PATH LD_PRELOAD PYTHONPATH ELIXIR_ERL_OPTIONS JDK_JAVA_OPTIONS
    _JAVA_OPTIONS JAVA_TOOL_OPTIONS GOFLAGS GOPROXY PGSERVICEFILE
"""


@pytest.mark.parametrize("variable", WAYS.split())
def test_known_ways_to_steer_a_process_are_known(variable: str) -> None:
    assert steers(variable)


@pytest.mark.parametrize("variable", ["DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET", "PGPASSWORD"])
def test_credentials_steer_nothing(variable: str) -> None:
    assert not steers(variable)
