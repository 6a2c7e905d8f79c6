"""Everyday spellings of secrets, one file each, are found; so is each example of our rules, by its rule."""

import base64
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from holdfast.crypto.api_tokens import is_api_token
from holdfast.scanning.engine import scan
from holdfast.scanning.findings import Finding, named
from tests.scanning.test_scan import KEY, STRIPE

_KEY_OF_AZURE = "Zm9vYmFyLWFuZC1tb3JlLW9mLWl0LXRvLWZpbGwtc2l4dHktZm91ci1ieXRlcy1pbi1hbGwtMTIzNDU2Nzg5MA" + "=="
_UUID = "abcdef12-3456-7890-abcd-ef1234567890"
_JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL5n-k3A"

EVERYDAY = [
    ("a.py", 'DB_PASSWORD = "Pa$w0rd99x"', "Pa$w0rd99x"),
    ("a.py", 'DB_PASSWORD = "100%Secure99x"', "100%Secure99x"),
    ("a.py", 'password = "my dog has 9 fleas"', "my dog has 9 fleas"),
    ("a.py", 'DB_PASS = "Short99xyz"', "Short99xyz"),
    ("a.py", 'db.setdefault("X"); DB_PASS="Short99xyz"', "Short99xyz"),
    ("a.py", 'os.getenv("DB_PASSWORD", "Dflt99xyz12")', "Dflt99xyz12"),
    ("a.py", 'PASSWORD = """Triple99xyz"""', "Triple99xyz"),
    ("a.py", 'connect(user="u", password="Kwarg99xyz")', "Kwarg99xyz"),
    ("a.py", 'password = SecretStr("Wrapped99x")', "Wrapped99x"),
    ("a.js", 'const t = process.env.API_TOKEN || "Deflt99xyz"', "Deflt99xyz"),
    ("a.ts", "private apiKey: string = 'Typed99xyz';", "Typed99xyz"),
    ("a.go", "const dbPassword = `Back99xyz12`", "Back99xyz12"),
    ("a.go", 'var dbPassword string = "Typed99xyz"', "Typed99xyz"),
    ("a.java", 'props.setProperty("db.password", "Props99xyz");', "Props99xyz"),
    ("a.c", '#define DB_PASSWORD "Define99xyz"', "Define99xyz"),
    ("a.rs", 'let password = String::from("Rust99xyz");', "Rust99xyz"),
    ("a.rb", "ENV['API_TOKEN'] ||= 'Ruby99xyz'", "Ruby99xyz"),
    ("a.php", "define('DB_PASSWORD', 'Wp99xyz12ab');", "Wp99xyz12ab"),
    ("a.cs", 'public string Password { get; set; } = "Auto99xyz";', "Auto99xyz"),
    ("a.env", "PASSWORD=Env99xyz12 # comment", "Env99xyz12"),
    ("a.env", 'PASSWORD="Env 99 xyz"', "Env 99 xyz"),
    ("a.yml", "- name: DB_PASSWORD\n  value: K8s99xyz12", "K8s99xyz12"),
    ("a.json", '{"name": "DB_PASSWORD", "value": "Ecs99xyz12"}', "Ecs99xyz12"),
    ("a.json", '{"value": "Ecs99xyz12", "name": "DB_PASSWORD"}', "Ecs99xyz12"),
    ("a.yml", 'password: &pw "AnchPw99123"', "AnchPw99123"),
    ("a.yml", 'password: !!str "Tagged99xyz"', "Tagged99xyz"),
    ("a.yml", "db: {password: FlowPw99123, user: x}", "FlowPw99123"),
    ("a.yml", "environment:\n  - DB_PASSWORD=Compose99x", "Compose99x"),
    ("a.sh", "docker run -e DB_PASSWORD=Dk99xyz12 img", "Dk99xyz12"),
    ("a.sh", "backup --db-password Opt99xyz12 --all", "Opt99xyz12"),
    ("a.fish", "set -x DB_PASSWORD Fish99xyz12", "Fish99xyz12"),
    ("a.sql", "CREATE ROLE a LOGIN PASSWORD 'Sql99xyz12';", "Sql99xyz12"),
    ("a.sql", "CREATE USER a IDENTIFIED BY 'Sql99xyz12';", "Sql99xyz12"),
    ("a.cs", 'var c = "Server=h;Database=d;User Id=u;Password=Conn99xyz;";', "Conn99xyz"),
    ("a.py", 'dsn = "host=h user=u password=Dsn99xyz12 dbname=d"', "Dsn99xyz12"),
    ("a.properties", "jdbc.url=jdbc:postgresql://h/d?user=u&password=Jdbc99xyz", "Jdbc99xyz"),
    ("a.xml", "<password>Mvn99xyz12</password>", "Mvn99xyz12"),
    ("a.config", '<add key="DbPassword" value="Net99xyz12" />', "Net99xyz12"),
    ("a.tf", 'variable "db_password" {\n  default = "Tf99xyz12"\n}', "Tf99xyz12"),
    ("a.conf", "requirepass Redis99xyz12", "Redis99xyz12"),
    ("Dockerfile", "ENV A=b DB_PASSWORD=DockerPw88123", "DockerPw88123"),
    ("Dockerfile", "ENV DB_PASSWORD DockerPw88123", "DockerPw88123"),
    ("app.Dockerfile", "ENV DB_PASSWORD=DockerPw88123", "DockerPw88123"),
    (".pypirc", "[global]\npassword = pypiPw991234aa", "pypiPw991234aa"),
    (".npmrc", f"//npm.example.com/:_authToken={_UUID}", _UUID),
    (".netrc", "machine h login u password NetrcPw9912", "NetrcPw9912"),
    (".netrc", "machine h\n  login u\n  password NetrcPw9912", "NetrcPw9912"),
    (".pgpass", "db.example:5432:prod:app:PgpassPw9912", "PgpassPw9912"),
    ("a.md", "export API_TOKEN=Manual99xyz", "Manual99xyz"),
    ("a.pem", KEY, KEY),
    ("a.py", f'x = "{STRIPE}"', STRIPE),
    ("a.py", f'jwt_token = "{_JWT}"', _JWT),
    ("a.py", f'c = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={_KEY_OF_AZURE};"', _KEY_OF_AZURE),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _cached_rules(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path_factory.getbasetemp().parent / "rules"
    rules.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("KF_RULE_CACHE_DIR", str(rules))


def found(root: Path) -> list[Finding]:
    return named(each for each in scan(root) if isinstance(each, Finding))


@pytest.mark.parametrize(("name", "text", "value"), EVERYDAY)
def test_everyday_spellings(name: str, text: str, value: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text + "\n")
    findings = found(tmp_path)
    assert [each.value.reveal() for each in findings] == [value]
    assert not any(value in f"{each.name} {each.variable} {each.kind}" for each in findings)


def test_two_on_a_line(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("ENV DB_PASSWORD=DockerPw88123 API_TOKEN=zz81mnqp22ll\n")
    (tmp_path / "a.py").write_text("x = {'password': 'First99xyz', 'token': 'Second99xyz'}\n")
    assert {(each.variable, each.value.reveal()) for each in found(tmp_path)} == {
        ("DB_PASSWORD", "DockerPw88123"),
        ("API_TOKEN", "zz81mnqp22ll"),
        ("password", "First99xyz"),
        ("token", "Second99xyz"),
    }


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ('{"value": "Behind99xyz12", "name": "DB_PASSWORD"}', "DB_PASSWORD"),
        ("blob = " + base64.b64encode(b'DB_PASSWORD = "Within99xyz12"').decode(), "blob"),
    ],
)
def test_what_a_file_begins_with_is_no_name(text: str, variable: str, tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(f"# Begins99xyz12\n{text}\n")
    assert [each.variable for each in found(tmp_path)] == [variable]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_files_of_powershell(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.ps1").write_bytes('# a script\n$DbPassword = "Wide99xyz12"\n'.encode(encoding))
    assert [(each.line, each.variable, each.value.reveal()) for each in found(tmp_path)] == [
        (2, "DbPassword", "Wide99xyz12")
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yml", "passwordFile: /run/secrets/db_password"),
        ("a.env", "PASSWORD_FILE=/run/secrets/db_password"),
        ("a.env", "DB_PASSWORD=/run/secrets/db_password"),
        ("a.sh", 'export DB_PASSWORD="$(cat /run/secrets/db1)"'),
        ("a.py", "password = settings.db_password2"),
        ("a.py", 'pages = client.list(next_token="abc123def456")'),
        ("a.txt", "db.example:5432:prod:app:PgpassPw9912"),
        ("a.py", 'connect("redis://user:password@localhost:6379/0")'),
        ("a.py", 'assert key.startswith("-----BEGIN RSA PRIVATE KEY-----") and f(x)\n"-----END RSA PRIVATE KEY-----"'),
        ("a.bin", "\0\0\0PASSWORD=Binary99xyz"),
    ],
)
def test_what_is_no_secret(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text + "\n")
    assert [each.value.reveal() for each in found(tmp_path)] == []


@pytest.mark.parametrize("rule", yaml.safe_load((files("holdfast.scanning") / "rules.yml").read_text())["rules"])
def test_each_rule_finds_its_examples(rule: dict[str, list[str]], tmp_path: Path) -> None:
    """A further rule may find the same; the value is what counts."""
    for number, example in enumerate(rule["examples"]):
        name = ".pgpass" if "pgpass" in rule["id"] else "Dockerfile"
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / name).write_text(f"{example}\n")
    values = [each.value.reveal() for each in found(tmp_path)]
    assert len(values) == len(rule["examples"]) > 0
    assert all(each in {"correct-horse-9", "9f8e7d6c5b4a"} or is_api_token(each) for each in values)
