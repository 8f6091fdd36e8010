"""`python -m workers` is `yidan`."""

from workers.cli import main

if __name__ == "__main__":
    main()
