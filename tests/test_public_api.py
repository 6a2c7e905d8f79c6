"""The public names are a contract."""

from importlib.metadata import version

import holdfast
from holdfast import errors


def test_every_public_name_is_there() -> None:
    assert all(hasattr(holdfast, name) for name in holdfast.__all__)
    assert "create_secrets_service" in holdfast.__all__
    assert not hasattr(holdfast, "surprise")


def test_every_error_is_public_and_completion_knows_all_names() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.HoldfastError)
    }
    assert defined <= set(holdfast.__all__)
    assert set(dir(holdfast)) == {*holdfast.__all__, "__version__"}
    assert holdfast.__version__ == version("holdfast")
