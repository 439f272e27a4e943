"""MariaDB, set up as near to MySQL 8's defaults as it can be."""

import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from scripts.devservices.packages import install_packages, program
from scripts.devservices.probes import why_not_mysql
from scripts.devservices.server import Server
from shared.errors import ConfigError

USER: Final = "tradeengine"
PASSWORD: Final = "tradeengine"  # noqa: S105 - of a throw-away server on loopback
DATABASE: Final = "tradeengine"

_LIKE_MYSQL_8: Final = (
    "--character-set-server=utf8mb4",
    "--sql-mode=ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION",
    "--max-allowed-packet=64M",
    "--innodb-autoinc-lock-mode=2",
    "--innodb-flush-log-at-trx-commit=1",
)
_SMALL: Final = ("--innodb-log-file-size=48M", "--innodb-buffer-pool-size=128M", "--performance-schema=OFF")
_FIRST_SQL: Final = f"""\
CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION;
"""


class MySqlServer(Server):
    """A MariaDB server on 127.0.0.1; its user may do everything.

    Parameters
    ----------
    folder
        Keeps data and log. For root it must lie where the users ``mysql`` or ``nobody`` can get to: the server refuses
        to run as root.
    port
        By default a free one.
    outlives
        Whether it goes on when this process ends.
    options
        More of its command line, such as ``--max-connections=5``.
    """

    name = "mariadb"

    def __init__(
        self, folder: Path, *, port: int | None = None, outlives: bool = False, options: tuple[str, ...] = ()
    ) -> None:
        super().__init__(folder, port=port, outlives=outlives)
        self._options = options

    @property
    def url(self) -> str:
        """URI with user, password and an empty database."""
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    def answers(self) -> bool:
        """Whether its user can log in now."""
        return why_not_mysql(self.url) is None

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _temporary(self) -> Path:
        # Not the system's: a server that starts deletes what another one keeps there.
        return self.folder / "tmp"

    def _user(self) -> pwd.struct_passwd | None:
        return _unprivileged_user() if os.geteuid() == 0 else None

    def _prepare(self) -> None:
        install_mariadb()
        (self.folder / "first.sql").write_text(_FIRST_SQL, encoding="utf-8")
        user = self._user()
        if user is not None:
            self._check_reach(user.pw_name)
            shutil.chown(self.folder, user.pw_uid)
        self._temporary.mkdir(exist_ok=True)
        if user is not None:
            shutil.chown(self._temporary, user.pw_uid)
        if (self._data / "mysql").is_dir():
            return
        # An interrupted installation leaves half of the tables: it is made beside, and moved when it is whole.
        made = self.folder / "data.new"
        shutil.rmtree(made, ignore_errors=True)
        done = subprocess.run(  # noqa: S603 - the program was found by us
            [
                program("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={made}",
                f"--tmpdir={self._temporary}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *_SMALL,
            ],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=user and user.pw_uid,
            group=user and user.pw_gid,
            extra_groups=None if user is None else [],
        )
        if done.returncode:
            raise ConfigError(f"mariadb-install-db failed in {made}: {(done.stderr or done.stdout)[-1500:].strip()}")
        made.rename(self._data)

    def _check_reach(self, user: str) -> None:
        """Refuse a folder that the server's user cannot get to, by name rather than by the server's own riddles."""
        for parent in self.folder.parents:
            if not parent.stat().st_mode & 0o001:
                raise ConfigError(
                    f"{parent} is closed to the user {user!r}, as whom MariaDB runs for root: give {self.name} a "
                    "folder elsewhere, such as one of scripts.devservices.folders.throw_away_folder()"
                )

    def _command(self) -> list[str | Path]:
        return [
            program("mariadbd"),
            "--no-defaults",
            f"--datadir={self._data}",
            f"--tmpdir={self._temporary}",
            f"--init-file={self.folder / 'first.sql'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            # A path of a socket has room for about a hundred characters, and nobody needs this one.
            "--socket=mariadb.sock",
            f"--pid-file={self.folder / 'mariadb.pid'}",
            *_LIKE_MYSQL_8,
            *_SMALL,
            *self._options,
        ]


def install_mariadb() -> None:
    """Install the server if it is missing.

    Raises
    ------
    ConfigError
        If it cannot be installed; the text says what to do.
    """
    install_packages(
        ("mariadbd", "mariadb-install-db"), ("mariadb-server-core", "mariadb-client-core"), instead="MYSQL_URI"
    )


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("mysql", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise ConfigError("MariaDB refuses to run as root, and there is neither a user mysql nor nobody: make one")
