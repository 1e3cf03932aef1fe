"""How a room fares, in numbers for people; docs/mumble.md says what each means."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.rooms.mumble.inbox import EventInbox
    from providers.rooms.mumble.link import Link


def voice_figures(link: Link) -> Counter[str]:
    """Return what came over one connection and what of it was dropped, in packets."""
    voice, quality = link.voice, link.voice.quality
    heard = {f"voice_{name}": count for name, count in link.hearing.counts.items()}
    return Counter(
        {
            "voice_received": voice.received,
            **heard,
            "voice_malformed": voice.refused,
            "udp_received": quality.good,
            "udp_late": quality.late,
            "udp_lost": quality.lost,
            "udp_resyncs": quality.resyncs,
            "udp_replayed": quality.replayed,
            "udp_forged": quality.forged,
        }
    )


def room_figures(
    past: Counter[str], link: Link | None, inbox: EventInbox
) -> dict[str, int | float]:
    """Return the figures of all connections together, and of what waits.

    `past` are those of the connections before `link`.
    """
    counts = past.copy()
    if link is not None:
        counts.update(voice_figures(link))
    trip_s = None if link is None else link.voice.round_trip_s
    return {
        **counts,
        "inbox_waiting": inbox.waiting,
        "inbox_dropped": inbox.dropped,
        "inbox_texts_dropped": inbox.texts_dropped,
        "inbox_peak": inbox.peak,
        **({} if link is None else link.figures),
        "users": 0 if link is None else link.users,
        "speakers": 0 if link is None else len(link.hearing.speakers),
        "udp_round_trip_ms": 0.0 if trip_s is None else round(trip_s * 1000, 1),
    }
