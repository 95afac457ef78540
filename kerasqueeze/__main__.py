"""`python -m kerasqueeze`."""

from kerasqueeze.commands.main import main

if __name__ == "__main__":
    main()
