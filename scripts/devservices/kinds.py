"""The kinds of servers that the engine works with, and the variables that name one which runs already."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from scripts.devservices.mongodb import MongoServer
from scripts.devservices.mysql import MySqlServer
from scripts.devservices.nats import NatsServer
from scripts.devservices.probes import why_not_mongodb, why_not_mysql, why_not_nats
from scripts.devservices.server import Server
from shared.errors import ConfigError
from shared.secrets import mask_uris


class Kind(NamedTuple):
    """A kind of server.

    Parameters
    ----------
    variable
        Environment variable that names one.
    server
        What starts one.
    why_not
        Tells why none answers at an address; ``None`` if one does.
    """

    variable: str
    server: type[Server]
    why_not: Callable[[str], str | None]

    @property
    def name(self) -> str:
        """What people call it."""
        return self.server.name

    def given(self, environment: Mapping[str, str], own: str | None = None) -> str | None:
        """Address of the server that the environment names, unless that is the one that was started here.

        Raises
        ------
        ConfigError
            If none answers there.
        """
        url = environment.get(self.variable)
        if not url or url == own:
            return None
        if reason := self.why_not(url):
            raise ConfigError(
                f"{self.variable}={mask_uris(url)} does not answer ({reason}): start that server, or unset "
                f"{self.variable} to have one started"
            )
        return url


KINDS: Final = (
    Kind("NATS_URL", NatsServer, why_not_nats),
    Kind("MONGODB_URI", MongoServer, why_not_mongodb),
    Kind("MYSQL_URI", MySqlServer, why_not_mysql),
)
