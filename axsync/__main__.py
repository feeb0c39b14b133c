"""`python -m axsync` is `axsync`."""

from axsync.cli import main

if __name__ == "__main__":
    main(prog_name="axsync")
