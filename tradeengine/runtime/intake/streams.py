"""The JetStream streams that signals come through, and those that execution events and alerts go to."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from contracts.subjects import (
    ALERTS_STREAM,
    ALERTS_WILDCARD,
    BARE_STREAM,
    DEAD_STREAM,
    DEAD_WILDCARD,
    EXECUTION_STREAM,
    EXECUTION_WILDCARD,
    SIGNALS,
    SIGNALS_STREAM,
    SIGNALS_WILDCARD,
    partition_target,
)
from shared.errors import ConfigError, RetrySafe

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How streams are made; a stream that exists keeps what an operator gave it.

    Parameters
    ----------
    max_age
        How long signals and dead letters are kept.
    duplicate_window
        How long JetStream remembers message ids.
    replicas
        Servers that hold a copy of each message; 3 in a cluster.
    """

    max_age: timedelta = timedelta(days=7)
    duplicate_window: timedelta = timedelta(minutes=2)
    replicas: int = 1


async def ensure_streams(jetstream: JetStreamContext, shards: int, settings: StreamSettings) -> None:
    """Make the streams that are missing and check the others.

    Parameters
    ----------
    jetstream
        JetStream of the account that holds the streams.
    shards
        Number of shards that ``SIGNALS`` deals symbols to.
    settings
        For the streams that are made.

    Raises
    ------
    ConfigError
        If a stream exists that takes other subjects or deals symbols to another number of shards.
    RetrySafe
        If JetStream does not answer now.
    """
    transform = api.SubjectTransform(src=SIGNALS_WILDCARD, dest=partition_target(shards))
    try:
        await _ensure(jetstream, SIGNALS_STREAM, SIGNALS_WILDCARD, settings, transform)
        await _ensure(jetstream, BARE_STREAM, SIGNALS, settings)
        await _ensure(jetstream, DEAD_STREAM, DEAD_WILDCARD, settings)
        await _ensure_kept(jetstream, ALERTS_STREAM, ALERTS_WILDCARD, settings)
        await _ensure_kept(jetstream, EXECUTION_STREAM, EXECUTION_WILDCARD, settings)
    except NatsError as error:
        raise RetrySafe(f"JetStream did not let the signals' streams be made or read: {error}") from error


async def _ensure_kept(jetstream: JetStreamContext, name: str, subject: str, settings: StreamSettings) -> None:
    """Keep what is told for those who are not listening yet; where another stream takes it, that is as good."""
    try:
        await _ensure(jetstream, name, subject, settings)
    except ConfigError as error:
        _log.warning("stream_not_made", stream=name, reason=str(error), action="another stream may take its subjects")


async def _ensure(
    jetstream: JetStreamContext,
    name: str,
    subject: str,
    settings: StreamSettings,
    transform: api.SubjectTransform | None = None,
) -> None:
    try:
        found = (await jetstream.stream_info(name)).config
    except NotFoundError:
        config = api.StreamConfig(
            name=name,
            subjects=[subject],
            subject_transform=transform,
            retention=api.RetentionPolicy.LIMITS,
            storage=api.StorageType.FILE,
            max_age=settings.max_age.total_seconds(),
            duplicate_window=settings.duplicate_window.total_seconds(),
            num_replicas=settings.replicas,
        )
        try:
            found = (await jetstream.add_stream(config)).config
        except ServiceUnavailableError:
            raise
        except APIError as error:
            found = await _made_by_another(jetstream, name, error)
    _check(found, name, subject, transform)


async def _made_by_another(jetstream: JetStreamContext, name: str, refusal: APIError) -> api.StreamConfig:
    try:
        return (await jetstream.stream_info(name)).config
    except NotFoundError:
        raise ConfigError(
            f"JetStream refused to make the stream {name}: {refusal.description}; remove what stands in its way, "
            "such as another stream with its subjects, or make the stream by hand"
        ) from refusal


def _check(found: api.StreamConfig, name: str, subject: str, transform: api.SubjectTransform | None) -> None:
    if subject not in (found.subjects or []):
        raise ConfigError(
            f"stream {name} takes the subjects {found.subjects}, not {subject}: "
            f"add it with `nats stream edit {name} --subjects={subject}`"
        )
    if transform is None:
        return
    actual = found.subject_transform
    if actual is None or (actual.src, actual.dest) != (transform.src, transform.dest):
        stored = "does not transform subjects" if actual is None else f"transforms {actual.src} to {actual.dest}"
        raise ConfigError(
            f"stream {name} {stored}, but this engine's SHARDS ask for {transform.src} to {transform.dest}: set SHARDS "
            f"to what the stream was made for; or, to change the number, let the engine decide every stored signal, "
            f"stop it and the publishers, and remove the stream with `nats stream rm {name}`, so that it is made anew"
        )
