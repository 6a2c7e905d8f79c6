"""OpenTelemetry behind ``holdfast.ports.Tracing``: an optional extra, which nothing else imports."""

from holdfast.telemetry.tracing.opening import TracingOptions, open_tracing

__all__ = ["TracingOptions", "open_tracing"]
