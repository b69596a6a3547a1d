"""How a city counts what an indicator declares."""
