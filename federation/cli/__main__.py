"""``python -m federation.cli``."""

from federation.cli import main

main()
