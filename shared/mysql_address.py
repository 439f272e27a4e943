"""Where MySQL is: address and credentials."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from shared.errors import ConfigError
from shared.secrets import mask_uris

_DEFAULT_PORT = 3306


@dataclass(frozen=True, slots=True)
class MySqlAddress:
    """A database on a server, and who asks for it.

    Parameters
    ----------
    ca_file
        Certificates that the server's must be signed by; with one the connection is TLS and the host's name is
        checked. ``None`` leaves it to the server whether there is TLS.
    """

    host: str
    database: str
    user: str
    password: str = field(default="", repr=False)
    port: int = _DEFAULT_PORT
    ca_file: str | None = None

    @classmethod
    def parse(cls, uri: str) -> "MySqlAddress":
        """Read ``mysql://user:password@host:port/database``, perhaps with ``?ssl_ca=FILE``.

        Raises
        ------
        ConfigError
            If it is of another form; the text shows it without its password.
        """
        shown = mask_uris(uri)
        try:
            split = urlsplit(uri)
            port = split.port
        except ValueError as error:
            raise ConfigError(f"MYSQL_URI={shown!r} cannot be read: {error}; {_FORM}") from None
        options = {name: values[-1] for name, values in parse_qs(split.query).items()}
        ca_file = options.pop("ssl_ca", None)
        if options:
            raise ConfigError(f"MYSQL_URI={shown!r} has options that are not known: {', '.join(options)}; {_FORM}")
        database = unquote(split.path.removeprefix("/"))
        if split.scheme not in ("mysql", "mysql+pymysql") or not split.hostname or not database or "/" in database:
            raise ConfigError(f"MYSQL_URI={shown!r} names no host or no database; {_FORM}")
        return cls(
            host=split.hostname,
            port=port or _DEFAULT_PORT,
            user=unquote(split.username or ""),
            password=unquote(split.password or ""),
            database=database,
            ca_file=ca_file,
        )

    def __str__(self) -> str:
        return f"mysql://{self.user}@{self.host}:{self.port}/{self.database}"


_FORM = "it must be mysql://user:password@host:port/database, perhaps with ?ssl_ca=FILE"
