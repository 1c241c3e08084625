"""Which of Debian's recordings become callers, and their words, as they were heard.

Names are those of the files; in the other languages the same names are the same sentences, whose words are not listed.
"""

from __future__ import annotations

AGENT_LANGUAGE = "en"
WHOLE_FOLDERS = ("alsa",)  # all of it: two words each, its names are its words
NO_WORDS = ("digits-", "letters-", "phonetic-", "silence-", "beep", "spy-", "vm-Cust", "tt-monkeys")
CALLERS = {
    "agent-loginok": "Agent logged in.",
    "agent-newlocation": "Please enter a new extension, followed by pound.",
    "agent-pass": "Please enter your password, followed by the pound key.",
    "all-circuits-busy-now": "All circuits are busy now.",
    "call-fwd-no-ans": "Call forward on no answer.",
    "call-fwd-on-busy": "Call forward on busy.",
    "cannot-complete-as-dialed": "Your call cannot be completed as dialed.",
    "check-number-dial-again": "Please check the number and dial again.",
    "conf-extended": "The conference has been extended.",
    "conf-full": "That conference is full.",
    "conf-getchannel": "Please enter the channel number followed by the pound key.",
    "conf-getconfno": "Please enter your conference number followed by the pound key.",
    "conf-getpin": "Please enter the conference pin number.",
    "conf-invalid": "That is not a valid conference number. Please try again.",
    "conf-invalidpin": "That pin is invalid for this conference.",
    "conf-kicked": "You have been kicked from this conference.",
    "conf-leaderhasleft": "The leader has left the conference.",
    "conf-locked": "This conference is locked.",
    "conf-muted": "You are now muted.",
    "conf-noempty": "No empty conferences currently exist.",
    "conf-nonextended": "The conference cannot be extended.",
    "conf-now-recording": "The conference is now being recorded.",
    "conf-onlyone": "There is currently one other participant in the conference.",
    "conf-onlyperson": "You are currently the only person in this conference.",
    "conf-placeintoconf": "You will now be placed into the conference.",
    "conf-roll-callcomplete": "Playback of the list of people attending is complete.",
    "conf-waitforleader": "The conference will begin when the leader arrives.",
    "demo-echodone": "The echo test has been completed.",
    "demo-nomatch": "I'm sorry, there are no matches for those keywords.",
    "dir-nomatch": "No directory entries match your search.",
    "dir-nomore": "There are no more compatible entries in the directory.",
}
IN_OTHER_LANGUAGES = (
    "agent-pass", "all-circuits-busy-now", "cannot-complete-as-dialed", "check-number-dial-again", "conf-full",
    "conf-getpin", "conf-invalidpin", "conf-kicked", "conf-locked", "conf-onlyperson",
)  # fmt: skip
