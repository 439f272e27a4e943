"""Entry point of ``scripts/services``."""

import argparse
import os
import sys
from pathlib import Path

from scripts.devservices import commands
from scripts.devservices.packages import say
from shared.errors import ConfigError

_WORDS = {
    "up": "start nats-server, MongoDB and MariaDB on free loopback ports; prints lines for eval",
    "down": "end what `up` has started",
    "status": "show what answers, where, and its log",
    "install": "install and build what is missing",
}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/services",
        description="Real servers for development and tests. A server that NATS_URL, MONGODB_URI or MYSQL_URI names is "
        "used, and none started in its place.",
    )
    parser.add_argument(
        "--state", type=Path, default=commands.STATE_FOLDER, help="folder that remembers what runs (default: .services)"
    )
    words = parser.add_subparsers(dest="word", required=True)
    for word, text in _WORDS.items():
        words.add_parser(word, help=text)
    run = words.add_parser("run", help="run a command beside servers that live as long as it does")
    run.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    given = parser.parse_args()
    try:
        match given.word:
            case "up":
                return commands.up(given.state)
            case "down":
                return commands.down(given.state)
            case "status":
                return commands.status(given.state)
            case "install":
                return commands.install()
            case _:
                if not given.command:
                    parser.error("name the command to run, such as: scripts/services run .venv/bin/pytest")
                return commands.run(given.command)
    except ConfigError as error:
        say(str(error))
        return os.EX_CONFIG
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
