"""Programs that are told of this server by their environment or configuration alone: how each is installed and run."""

from functools import partial
from typing import Final

from tests.conformance.clients import (
    ADFS,
    BY_ITSELF,
    GO,
    HERE,
    IDENTITY,
    JAVA,
    NODE,
    PYTHON,
    Environ,
    locked,
    pinned,
    pinned_by_npm,
)

_WAYS: Final = (ADFS, IDENTITY)
_PYTHON: Final = HERE / "python"


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


_python = partial(PYTHON, folder=_PYTHON, shares="Python", modes=_WAYS)
_javascript = partial(NODE, folder=HERE / "javascript", shares="JavaScript", modes=_WAYS)

CONSUMERS: Final = (
    _python(
        name="DefaultAzureCredential-Python",
        run=("venv/bin/python", "default.py"),
        version=lambda: locked("azure-identity", _PYTHON / "requirements.txt"),
        checks=BY_ITSELF,
    ),
    _javascript(
        name="DefaultAzureCredential-JavaScript",
        run=("node", "default.mjs"),
        version=lambda: pinned_by_npm("@azure/identity"),
        checks=BY_ITSELF,
    ),
    GO(
        name="DefaultAzureCredential-Go",
        folder=HERE / "go",
        shares="Go",
        run=("bin/default",),
        version=lambda: pinned(HERE / "go" / "go.mod", r"azidentity v(\S+)"),
        modes=_WAYS,
        checks=BY_ITSELF,
    ),
    _python(
        name="pydantic-settings",
        run=("venv/bin/python", "with_pydantic.py"),
        version=lambda: locked("pydantic-settings", _PYTHON / "requirements.txt"),
        checks=("reads", "misses"),
    ),
    _python(
        name="App-Configuration-Python",
        run=("venv/bin/python", "with_app_configuration.py"),
        version=lambda: locked("azure-appconfiguration-provider", _PYTHON / "requirements.txt"),
        checks=("reads", "reads a version"),
    ),
    _javascript(
        name="App-Configuration-JavaScript",
        run=("node", "with_app_configuration.mjs"),
        version=lambda: pinned_by_npm("@azure/app-configuration-provider"),
        checks=("reads", "reads a version"),
    ),
    GO(
        name="Terraform",
        folder=HERE / "terraform",
        run=("bin/terraform",),
        version=lambda: pinned(HERE / "terraform" / "go.mod", r"go-azure-sdk/sdk v(\S+)"),
        modes=(ADFS,),
        checks=("finds the cloud", "gets its tokens", "finds the vault", "reads"),
    ),
    JAVA(
        name="Spring",
        folder=HERE / "spring",
        run=("java", "-cp", "target/classes:target/lib/*", "Reader"),
        also=_profile,
        version=lambda: pinned(
            HERE / "spring" / "pom.xml", r"starter-keyvault-secrets</artifactId>\s*<version>([^<]+)"
        ),
        modes=_WAYS,
        checks=("reads", "misses"),
    ),
    PYTHON(
        name="Airflow",
        folder=HERE / "airflow",
        run=("venv/bin/python", "backend.py"),
        version=lambda: locked("apache-airflow-providers-microsoft-azure", HERE / "airflow" / "requirements.txt"),
        modes=_WAYS,
        checks=("reads a variable", "reads a connection", "reads a part of its configuration", "misses"),
    ),
    PYTHON(
        name="Ansible",
        folder=HERE / "ansible",
        run=("venv/bin/python", "playing.py"),
        also=_in_ansibles_words,
        version=lambda: pinned(HERE / "ansible" / "requirements.in", r"azure.azcollection (\d+\.\d+\.\d+)"),
        modes=(ADFS,),
        checks=(*BY_ITSELF, "looks up", "looks a version up"),
    ),
)
