await fill("#name", "Ada");
await click("#join");
