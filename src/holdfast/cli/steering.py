"""Variables that make a process run other code, trust others or talk to others.

Who may make a secret must not choose them, so no name of a secret turns into one; a variable that is written out is the
operator's own word, and may. No such list is ever complete. Therefore a pattern needs a prefix of its own as well,
which leaves those who make secrets nothing but variables with that prefix.
"""

from typing import Final


def _words(text: str) -> list[str]:
    return text.split()


_NAMES: Final = frozenset(
    _words(
        """
        BASH_ENV BROWSER CDPATH EDITOR ENV HOME IFS PAGER PATH PROMPT_COMMAND PS4 SHELL SHELLOPTS TERMINFO TMPDIR VISUAL
        ALL_PROXY CURL_CA_BUNDLE CURL_HOME GCONV_PATH HOSTALIASES HTTPS_PROXY HTTP_PROXY LOCALDOMAIN LOCPATH NLSPATH
        NO_PROXY OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES REQUESTS_CA_BUNDLE RES_OPTIONS SSLKEYLOGFILE SSL_CERT_DIR
        SSL_CERT_FILE ANSIBLE_CONFIG AWS_CONFIG_FILE AWS_ENDPOINT_URL AWS_SHARED_CREDENTIALS_FILE AZURE_AUTHORITY_HOST
        AZURE_KEYVAULT_NAME AZURE_KEYVAULT_URL CLASSPATH CVS_RSH DOCKER_CONFIG DOCKER_HOST ELECTRON_RUN_AS_NODE
        GUILE_LOAD_PATH HGRCPATH JULIA_LOAD_PATH KUBECONFIG MAKEFLAGS MAVENOPTS MONGO_URL MYSQL_HOST PHPRC
        PHP_INI_SCAN_DIR RIPGREP_CONFIG_PATH RSYNC_RSH R_PROFILE SSH_ASKPASS SUDO_ASKPASS SVN_SSH TCLLIBPATH VAULT_ADDR
        """
    )
)

_PREFIXES: Final = tuple(
    _words(
        """
        BASH_ BUNDLE_ CARGO_ COR_ CORECLR_ DOTNET_ DYLD_ ELIXIR_ ERL_ GEM_ GIT_ GLIBC_ GOFLAGS GOPROXY HOLDFAST_ LD_
        LESS LUA_ MALLOC_ NODE_ NPM_CONFIG_ PERL PGHOST PGPASSFILE PGSERVICE PGSSL PIP_ PYTHON RUBY RUSTC XDG_
        """
    )
)

_SUFFIXES: Final = ("JAVA_OPTIONS", "TOOL_OPTIONS", "_OPTS")

_TOOLS: Final = frozenset(
    _words(
        """
        ansible ant apt aws azure bash bun bundle cargo catalina cc celery cloudsdk cmake composer conan conda
        consul curl cvs cxx deno django docker dotnet electron elixir erl flask gconv gdal gem gio git gnupg go
        google gpg gradle gst gtk guile gunicorn helm hg holdfast http https hypercorn java jboss jdk jenkins julia
        jupyter jvm kafka krb5 kube ld ldap less lua make malloc man maven mono msbuild mysql nix node nomad npm
        nuget ocaml odbc openssl oracle otel p4 perl php pip pipenv pnpm poetry psql puppet python qt quarkus r rack
        rails ripgrep rpm rsync ruby rust rustc sasl sbt scala spark spring sqlite ssh ssl sudo svn systemd tf tns
        uv uvicorn vault vim xdg yarn zend zsh
        """
    )
)
"""First words of variables that programs read by themselves: no prefix of anybody's own."""


def steers(variable: str) -> bool:
    """Whether a variable is known to steer how processes run."""
    return variable in _NAMES or variable.startswith(_PREFIXES) or variable.endswith(_SUFFIXES)


def has_own_prefix(pattern: str) -> bool:
    """Whether a canonical pattern begins with a word of its own and ``-``, so that it covers no program's variables."""
    first, dash, _ = pattern.partition("*")[0].partition("-")
    return bool(first and dash) and first not in _TOOLS
