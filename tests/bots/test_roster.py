"""Who is the agent, and whether there are two, is known by who speaks."""

from bots.roster import VOICE_MS, Roster


def test_a_silent_participant_is_neither_agent_nor_second_agent() -> None:
    roster = Roster(invited="agent")
    for identity in ("watcher", "agent"):
        roster.came(identity)
        roster.published(identity)
    roster.sounded("agent", VOICE_MS)
    assert roster.agent == "agent"
    assert roster.second_agent is None
    roster.left("watcher")
    assert roster.agent_present


def test_who_speaks_is_the_agent_whoever_was_invited() -> None:
    roster = Roster(invited="dispatcher")
    roster.came("dispatcher")
    roster.came("worker", is_agent_kind=True)
    assert roster.agent == "dispatcher"
    roster.sounded("worker", VOICE_MS)
    assert roster.agent == "worker"


def test_two_who_speak_are_two_agents_unless_one_is_named() -> None:
    roster = Roster()
    for identity in ("a", "b"):
        roster.came(identity)
        roster.sounded(identity, VOICE_MS)
    assert roster.second_agent == "b"
    roster.named = "b"
    assert roster.second_agent is None
    assert not roster.heard_as_agent("a")


def test_a_click_makes_no_speaker() -> None:
    roster = Roster()
    roster.came("a")
    roster.came("b")
    roster.sounded("a", VOICE_MS)
    roster.sounded("b", VOICE_MS - 20)
    assert roster.speakers == ["a"]


def test_an_avatar_that_publishes_for_the_agent_is_the_agent() -> None:
    roster = Roster()
    roster.came("agent")
    roster.came("avatar", on_behalf_of="agent")
    roster.sounded("avatar", VOICE_MS)
    assert roster.agent == "agent"
    assert roster.second_agent is None
    roster.left("agent")
    assert roster.agent_present  # its avatar is
