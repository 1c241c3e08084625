await click("#call");
