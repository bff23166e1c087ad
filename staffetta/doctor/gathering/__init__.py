"""Where facts come from: files, the disk, the clock, the DNS, sockets. Nothing is judged here."""
