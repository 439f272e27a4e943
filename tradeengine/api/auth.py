"""Who may do what: bearer keys with roles."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from contracts.api import Code
from shared.settings import Settings
from tradeengine.api.problems import ProblemError

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tradeengine"'}
_bearer = HTTPBearer(auto_error=False, description="READER_API_KEY, TRADER_API_KEY, RISK_OVERRIDE_KEY or ADMIN_API_KEY")


class Role(IntEnum):
    """Roles; a higher one may do what a lower one may."""

    READER = 1
    TRADER = 2
    OPERATOR = 3
    ADMIN = 4


SETTING_OF_ROLE = {
    Role.READER: "READER_API_KEY",
    Role.TRADER: "TRADER_API_KEY",
    Role.OPERATOR: "RISK_OVERRIDE_KEY",
    Role.ADMIN: "ADMIN_API_KEY",
}


class Keyring:
    """The configured keys.

    Only digests are kept and compared, all of them every time, so that neither memory nor timing tells a key.
    """

    def __init__(self, settings: Settings) -> None:
        keys: dict[Role, SecretStr | None] = {
            Role.READER: settings.reader_api_key,
            Role.TRADER: settings.trader_api_key,
            Role.OPERATOR: settings.risk_override_key,
            Role.ADMIN: settings.admin_api_key,
        }
        self._digests = {role: _digest(key.get_secret_value()) for role, key in keys.items() if key is not None}

    def require(self, role: Role) -> Callable[..., Awaitable[None]]:
        """Dependency that lets requests with a key of at least this role pass.

        Without a key of exactly this role its routes are closed to everybody, whatever key they bring.
        """

        async def check(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
            if role not in self._digests:
                name = SETTING_OF_ROLE[role]
                raise ProblemError(503, Code.NO_KEY_CONFIGURED, f"no key opens this route: set {name} and restart")
            held = self.role_of(credentials.credentials) if credentials else None
            if held is None:
                detail = "bring a known key: Authorization: Bearer <key>"
                raise ProblemError(401, Code.UNAUTHORIZED, detail, _CHALLENGE)
            if held < role:
                detail = f"this route needs the role {role.name.lower()}, the key has {held.name.lower()}"
                raise ProblemError(403, Code.FORBIDDEN, detail)

        return check

    def role_of(self, key: str) -> Role | None:
        """Role of a key, ``None`` when it is not known."""
        digest = _digest(key)
        found = [role for role, known in self._digests.items() if hmac.compare_digest(known, digest)]
        return max(found, default=None)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()
