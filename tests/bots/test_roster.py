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


def test_who_comes_when_the_agent_has_left_takes_its_place() -> None:
    roster = Roster(invited="first")
    for identity in ("first", "watcher"):
        roster.came(identity)
        roster.published(identity)
    roster.sounded("first", VOICE_MS)
    roster.left("first")
    assert not roster.agent_present  # who was there before, and is no agent, is no successor
    roster.came("next")
    assert not roster.agent_present  # it cannot speak yet
    roster.published("next")
    roster.left("watcher")
    assert roster.agent_present
    assert roster.agent == "next"
    roster.sounded("next", VOICE_MS)
    assert roster.agent == "next"
    assert roster.second_agent is None


def test_an_agent_that_was_sent_for_before_the_first_one_left_takes_its_place() -> None:
    roster = Roster(invited="desk")
    roster.came("desk", is_agent_kind=True)
    roster.sounded("desk", VOICE_MS)
    roster.came("specialist", is_agent_kind=True)
    roster.published("specialist")
    assert roster.agent == "desk"
    roster.left("desk")
    assert roster.agent_present
    assert roster.agent == "specialist"


def test_who_speaks_in_the_successors_presence_is_a_second_agent() -> None:
    roster = Roster()
    for identity in ("a", "b"):
        roster.came(identity)
        roster.sounded(identity, VOICE_MS)
        roster.left("a")
    assert roster.second_agent is None
    roster.sounded("a", VOICE_MS)  # its last words, late
    assert roster.agent == "b"
    assert roster.second_agent is None
    roster.came("a")
    roster.sounded("a", VOICE_MS)
    assert roster.second_agent == "a"
    assert roster.speakers == ["b", "a"]


def test_who_spoke_beside_the_agent_takes_its_place_when_the_agent_leaves() -> None:
    roster = Roster(invited="desk")
    for identity in ("desk", "specialist"):
        roster.came(identity)
        roster.sounded(identity, VOICE_MS)
    assert roster.second_agent == "specialist"
    roster.left("desk")
    assert (roster.agent, roster.second_agent) == ("specialist", None)
    assert roster.agent_present
    roster.came("intruder")
    roster.sounded("intruder", VOICE_MS)
    assert roster.second_agent == "intruder"
    roster.left("intruder")  # that it went does not undo it: whose words were whose cannot be told
    assert roster.second_agent == "intruder"
    roster.left("specialist")
    assert roster.second_agent == "intruder"


def test_an_agent_that_comes_back_is_itself_again() -> None:
    roster = Roster(invited="agent")
    roster.came("agent")
    roster.published("agent")
    roster.left("agent")
    assert not roster.agent_present
    roster.came("agent")
    assert roster.agent_present
    assert roster.agent == "agent"
