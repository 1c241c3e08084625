"""What an agent in an environment of its own runs to be measured inside: the standard library alone, nothing of the harness.

`earwitness.livekit` and `earwitness.pipecat` are the ways in. `wire` speaks the events, `pre_rtc` records what WebRTC is given,
`turns` keeps one line a turn, `words` publishes what is said, `taps` look on at a framework's objects, `call` puts them together;
of Pipecat, `pipecat_turn` reads the frames.
"""
