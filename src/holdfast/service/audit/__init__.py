"""The record: sequenced, signed, searched and streamed."""
