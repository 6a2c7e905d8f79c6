"""Where traces go: what is taken, and what is refused without being repeated."""

import pytest

from holdfast.config import Settings
from holdfast.errors import ConfigurationError

HOME = {"HOME": "/home/somebody"}


def test_a_collector_with_headers_and_a_sampler() -> None:
    settings = Settings.from_environ(
        {
            **HOME,
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/base/",
            "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=s3cret%20x, x-team = ops",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.05",
            "OTEL_SERVICE_NAME": "vault",
        }
    )
    assert settings.otlp_endpoint == "http://collector:4318/base"
    assert settings.otlp_headers == (("api-key", "s3cret x"), ("x-team", "ops"))
    assert (settings.traces_sampler, settings.traces_ratio) == ("parentbased_traceidratio", 0.05)
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("OTEL_EXPORTER_OTLP_ENDPOINT", value)
            for value in ("collector:4318", "ftp://x", "http://", "http://h:port")
        ),
        *(("OTEL_EXPORTER_OTLP_ENDPOINT", value) for value in ("http://u:pass@h", "http://h?key=pass", "http://h:0")),
        *(
            ("OTEL_EXPORTER_OTLP_HEADERS", value)
            for value in ("pass", "=pass", "a b=pass", "a=", ",", "a=pass\r\nb: c")
        ),
        *(("OTEL_TRACES_SAMPLER_ARG", value) for value in ("-1", "1.1", "nan", "1e-3", "half", "2")),
        ("OTEL_TRACES_SAMPLER", "xray"),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_environ({**HOME, name: value})
    assert name in str(refusal.value)
    assert "pass" not in str(refusal.value).replace("password", "")
