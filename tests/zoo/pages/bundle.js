await click("#join");
await click("#start");
