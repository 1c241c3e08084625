// Runs first in every document of every frame: builds the ears, shims the page, leaves one handle for the driver.
// Part of one closure (see injection.py), last of all files; frames of one origin share the top frame's clock.

const ears = inherited()?.ears ?? makeEars();
const peers = inherited()?.peers ?? makePeers();
const players = inherited()?.players ?? makePlayers();
const graphs = inherited()?.graphs ?? makeGraphs();

// A frame's initial empty document hands its window to the real one, already shimmed.
if (!Object.hasOwn(window, config.handle)) {
  Object.defineProperty(window, config.handle, { value: { ears, peers, players, graphs, answer } });
  shimMicrophone();
  wrapPeerConnection();
  watchElements();
  watchContexts();
}
