"""From files to records: reading, validating, importing."""
