"""`python -m trainyard` is the command line too."""

from trainyard.pipeline.cli import main

if __name__ == "__main__":
    main()
