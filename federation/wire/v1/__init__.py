"""Generated from proto/federation/wire/v1 by `make protos`; never edited."""
