"""What the header section of a message tells of its road, read from whatever an administrator pastes."""
