"""`python -m confd.cli` is `confctl`."""

from confd.cli import main

main()
