"""Signals from NATS JetStream, brought to the desk."""

from tradeengine.runtime.intake.forwarding import ForwardingDesk
from tradeengine.runtime.intake.puller import PullSettings
from tradeengine.runtime.intake.service import IntakeStatus, NatsIntake
from tradeengine.runtime.intake.streams import StreamSettings

__all__ = ["ForwardingDesk", "IntakeStatus", "NatsIntake", "PullSettings", "StreamSettings"]
