"""The network of a run, and the link of one attempt: its seed, its marks in mid-call, and what its end explains.

One link stands between the user and the media server. In the bot lane the user is two participants, the bot that speaks
and the probe that listens, and both are behind it; in the browser lane the probe listens beside it, as the second listener.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import AttemptError, EarwitnessError, HarnessError, ProvisionError, first_explained
from harness.link.link import Link, open_link
from harness.link.netem import check, way_in
from harness.live.hearing import RATE_HZ, Hearing
from harness.model.case import Case
from harness.model.plan import NetworkSpec
from harness.model.status import CaptureStatus
from harness.network.profile import Change, Mark, Outage, Profile, load_profile

REPLY_OVER_MS = 500.0  # quiet for this long: a reply has ended
PATIENCE_S = 5.0  # an outage of this length makes ICE give the connection up
ROUND_TRIPS_TO_JOIN = 20  # signalling, ICE, DTLS, SCTP: about 10
#: The statuses that an outage can look like.
CUT_OFF = {
    CaptureStatus.SERVER_LOST,
    CaptureStatus.AGENT_CRASH,
    CaptureStatus.AGENT_ABSENT,
    CaptureStatus.BARRIER_TIMEOUT,
    CaptureStatus.REPLY_TIMEOUT,
    CaptureStatus.REPLY_ENDLESS,
    CaptureStatus.DIALOGUE_GAVE_UP,
    CaptureStatus.DIALOGUE_UNTOLD,
    CaptureStatus.REPLY_EVENTS_MISSING,
    CaptureStatus.PAGE_ERROR,
    CaptureStatus.HARNESS_ERROR,
}


@dataclass(frozen=True)
class Network:
    """The profile that every attempt of a run goes through."""

    profile: Profile
    seed: int
    server_offers_tcp: bool
    netem_way_in: tuple[str, ...] | None = None  # given if the kernel applies the profile

    @property
    def slack_s(self) -> float:
        """How much longer joining may take: its round trips, some of them lost and retried."""
        return ROUND_TRIPS_TO_JOIN * self.profile.allowance_ms / 1e3

    def patient(self, case: Case) -> Case:
        """The same case, with a reply timeout longer by the network's allowance."""
        return case.model_copy(update={"reply_timeout_ms": case.reply_timeout_ms + self.profile.allowance_ms})

    def seed_for(self, case_id: str, number: int) -> int:
        """The attempt's own seed, the same in every run with this run's seed."""
        digest = hashlib.sha256(f"{self.seed}/{case_id}/{number}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    @asynccontextmanager
    async def open(
        self, server_url: str, case_id: str, number: int, folder: Path, behind: Sequence[str]
    ) -> AsyncIterator[Link]:
        """The link of one attempt. Raises AttemptError (LINK_LOST) if it does not come up."""
        try:
            opened = open_link(
                server_url,
                self.profile,
                seed=self.seed_for(case_id, number),
                folder=folder,
                behind=behind,
                server_offers_tcp=self.server_offers_tcp,
                netem_way_in=self.netem_way_in,
            )
            link = await opened.__aenter__()
        except HarnessError as error:
            raise AttemptError(CaptureStatus.LINK_LOST, f"the link did not come up: {error}") from error
        try:
            yield link
        finally:
            await opened.__aexit__(None, None, None)


def open_network(spec: NetworkSpec | None, *, external: bool) -> Network | None:
    """Raises UsageError for a profile that is not valid, ProvisionError for a link that this machine cannot make."""
    if spec is None:
        return None
    profile = load_profile(spec.network)
    if spec.link != "netem":
        return Network(profile, spec.seed, server_offers_tcp=external)
    check(profile)
    try:
        way = tuple(way_in())
    except ProvisionError as error:
        raise ProvisionError(
            f"--link netem: {error}; use --link user, which needs neither kernel nor privilege"
        ) from error
    return Network(profile, spec.seed, server_offers_tcp=external, netem_way_in=way)


def explained(error: AttemptError, link: Link | None, *, server_lost: bool) -> AttemptError:
    """The same error, attributed to the link or its network where that is the cause."""
    if link is None:
        return error
    if link.lost.is_set():
        return AttemptError(CaptureStatus.LINK_LOST, link.lost_why)
    cut_s = link.longest_cut_s()
    if cut_s >= PATIENCE_S and error.status in CUT_OFF:
        detail = f"the call did not outlive an outage of {cut_s:.0f} s (it ended as {error.status}: {error.detail})"
        return AttemptError(CaptureStatus.CALL_DROPPED, detail)
    if error.status is CaptureStatus.SERVER_LOST and not server_lost:
        detail = f"the call could not be held over {link.profile.name}: {error.detail}"
        return AttemptError(CaptureStatus.CALL_DROPPED, detail)
    return error


@asynccontextmanager
async def marks_kept(link: Link | None, hearing: Hearing) -> AsyncIterator[None]:
    """While the context is open, the profile's outages and changes happen at their marks. If one cannot be made, the
    context ends with AttemptError (LINK_LOST).
    """
    items: list[Outage | Change] = [*link.profile.outages, *link.profile.changes] if link is not None else []
    since = hearing.now
    try:
        async with asyncio.TaskGroup() as group:
            marks = [_at_its_mark(link, item, hearing, since) for item in items if link is not None]
            tasks = [group.create_task(mark) for mark in marks]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    except BaseExceptionGroup as errors:
        raise first_explained(errors) from errors


async def _at_its_mark(link: Link, item: Outage | Change, hearing: Hearing, since: int) -> None:
    await _reached(item, hearing, since)
    what = "outage" if isinstance(item, Outage) else "change"
    try:
        if isinstance(item, Outage):
            await link.cut(item.for_ms, item.ways)
        else:
            await link.change(item.direction("uplink"), item.direction("downlink"))
    except EarwitnessError as error:
        raise AttemptError(CaptureStatus.LINK_LOST, f"the profile's {what} could not be made: {error}") from error


async def _reached(mark: Mark, hearing: Hearing, since: int) -> None:
    """Wait for the mark, on the user's own sample clock. `since`: where the conversation begins."""
    anchor = since

    def replies() -> list[int]:
        return [onset for onset in hearing.onsets if onset >= since]

    if mark.after != "call_start":
        await hearing.wait_for(lambda: len(replies()) > mark.reply)
        anchor = replies()[mark.reply]
    if mark.after == "reply_end":
        await hearing.wait_for(lambda: len(replies()) > mark.reply + 1 or hearing.quiet_ms() >= REPLY_OVER_MS)
        anchor = hearing.last_sound if hearing.last_sound is not None else anchor
    due = anchor + round(mark.delay_ms * RATE_HZ / 1e3)
    await hearing.wait_for(lambda: hearing.now >= due)
