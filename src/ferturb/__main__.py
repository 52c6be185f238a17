"""`python -m ferturb` is the command line."""

from ferturb.cli.main import main

if __name__ == "__main__":
    main()
