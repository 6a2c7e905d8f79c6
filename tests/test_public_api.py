"""The public names are a contract."""

import holdfast


def test_every_public_name_is_there() -> None:
    assert all(hasattr(holdfast, name) for name in holdfast.__all__)
    assert "create_secrets_service" in holdfast.__all__
    assert not hasattr(holdfast, "surprise")
