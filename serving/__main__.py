"""`python -m serving` is the command `alsobought`."""

from serving.command_line import main

if __name__ == "__main__":
    main()
