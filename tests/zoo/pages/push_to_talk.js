await click("#talk");
