"""The console: pages for administrators, made on the server, over the operations alone."""
