"""`python -m serving` is the command `alsobought`."""

from serving.cli.main import main

if __name__ == "__main__":
    main()
