"""`python -m smsgw` is `smsgw`."""

from smsgw.cli import main

if __name__ == "__main__":
    main()
