"""What a message is: pure nouns and their parse and print. No files, sockets, clocks or randomness."""
