"""Programs that are told of this server by their environment or configuration alone: how each is installed and run."""

from pathlib import Path
from typing import Final

from tests.conformance.clients import (
    ADFS,
    BY_ITSELF,
    GO,
    HERE,
    IDENTITY,
    JAVA,
    LOCKED,
    MAVEN,
    NPM,
    Client,
    Environ,
    go_trusts,
    into_the_store,
    java_trusts,
    node_trusts,
    pinned,
    requests_trusts,
)

_WAYS: Final = (ADFS, IDENTITY)
_PYTHON: Final = HERE / "python"


def _locked(folder: Path, package: str) -> str:
    return pinned(folder / "requirements.txt", rf"(?m)^{package}==(\S+)")


def _of_npm(package: str) -> str:
    return pinned(HERE / "javascript" / "package.json", rf'"{package}": "([^"]+)"')


def _in_ansibles_words(environ: Environ) -> dict[str, str]:
    """Its names for the same, and a subscription, which it asks for and does not use."""
    return {
        "AZURE_SECRET": environ["AZURE_CLIENT_SECRET"],
        "AZURE_TENANT": environ["AZURE_TENANT_ID"],
        "AZURE_ADFS_AUTHORITY_URL": environ["AZURE_AUTHORITY_HOST"],
        "AZURE_SUBSCRIPTION_ID": "none",
    }


def _profile(environ: Environ) -> dict[str, str]:
    """Which of its configuration files Spring takes."""
    return {"SPRING_PROFILES_ACTIVE": "adfs" if "AZURE_TENANT_ID" in environ else "identity"}


CONSUMERS: Final = (
    Client(
        name="DefaultAzureCredential-Python",
        folder=_PYTHON,
        shares="Python",
        programs=(),
        install=LOCKED,
        run=("venv/bin/python", "default.py"),
        trust=requests_trusts,
        version=lambda: _locked(_PYTHON, "azure-identity"),
        modes=_WAYS,
        checks=BY_ITSELF,
    ),
    Client(
        name="DefaultAzureCredential-JavaScript",
        folder=HERE / "javascript",
        shares="JavaScript",
        programs=("node", "npm"),
        install=NPM,
        run=("node", "default.mjs"),
        trust=node_trusts,
        version=lambda: _of_npm("@azure/identity"),
        modes=_WAYS,
        checks=BY_ITSELF,
    ),
    Client(
        name="DefaultAzureCredential-Go",
        folder=HERE / "go",
        shares="Go",
        programs=("go",),
        install=GO,
        run=("bin/default",),
        trust=go_trusts,
        version=lambda: pinned(HERE / "go" / "go.mod", r"azidentity v(\S+)"),
        modes=_WAYS,
        checks=BY_ITSELF,
    ),
    Client(
        name="pydantic-settings",
        folder=_PYTHON,
        shares="Python",
        programs=(),
        install=LOCKED,
        run=("venv/bin/python", "with_pydantic.py"),
        trust=requests_trusts,
        version=lambda: _locked(_PYTHON, "pydantic-settings"),
        modes=_WAYS,
        checks=("reads", "misses"),
    ),
    Client(
        name="App-Configuration-Python",
        folder=_PYTHON,
        shares="Python",
        programs=(),
        install=LOCKED,
        run=("venv/bin/python", "with_app_configuration.py"),
        trust=requests_trusts,
        version=lambda: _locked(_PYTHON, "azure-appconfiguration-provider"),
        modes=_WAYS,
        checks=("reads", "reads a version"),
    ),
    Client(
        name="App-Configuration-JavaScript",
        folder=HERE / "javascript",
        shares="JavaScript",
        programs=("node", "npm"),
        install=NPM,
        run=("node", "with_app_configuration.mjs"),
        trust=node_trusts,
        version=lambda: _of_npm("@azure/app-configuration-provider"),
        modes=_WAYS,
        checks=("reads", "reads a version"),
    ),
    Client(
        name="Terraform",
        folder=HERE / "terraform",
        programs=("go",),
        install=GO,
        run=("bin/terraform",),
        trust=go_trusts,
        version=lambda: pinned(HERE / "terraform" / "go.mod", r"go-azure-sdk/sdk v(\S+)"),
        modes=(ADFS,),
        checks=("finds the cloud", "gets its tokens", "finds the vault", "reads"),
    ),
    Client(
        name="Spring",
        folder=HERE / "spring",
        programs=JAVA,
        install=MAVEN,
        run=("java", "-cp", "target/classes:target/lib/*", "Reader"),
        trust=java_trusts,
        before=into_the_store,
        also=_profile,
        version=lambda: pinned(
            HERE / "spring" / "pom.xml", r"starter-keyvault-secrets</artifactId>\s*<version>([^<]+)"
        ),
        modes=_WAYS,
        checks=("reads", "misses"),
    ),
    Client(
        name="Airflow",
        folder=HERE / "airflow",
        programs=(),
        install=LOCKED,
        run=("venv/bin/python", "backend.py"),
        trust=requests_trusts,
        version=lambda: _locked(HERE / "airflow", "apache-airflow-providers-microsoft-azure"),
        modes=_WAYS,
        checks=("reads a variable", "reads a connection", "reads a part of its configuration", "misses"),
    ),
    Client(
        name="Ansible",
        folder=HERE / "ansible",
        programs=(),
        install=LOCKED,
        run=("venv/bin/python", "playing.py"),
        trust=requests_trusts,
        also=_in_ansibles_words,
        version=lambda: pinned(HERE / "ansible" / "requirements.in", r"azure.azcollection (\d+\.\d+\.\d+)"),
        modes=(ADFS,),
        checks=(*BY_ITSELF, "looks up", "looks a version up"),
    ),
)
