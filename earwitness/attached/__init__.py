"""What an agent in an environment of its own runs to be measured inside: the standard library alone, nothing of the harness.

`earwitness.livekit` is the way in. `wire` speaks the events, `pre_rtc` records what WebRTC is given, `turns` keeps one line a
turn, `call` puts them together.
"""
