"""The product page, its token server, and the process that serves both."""
