"""What the console may change, kept: objects, accounts, role groups, tokens, audit."""
