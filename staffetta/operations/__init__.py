"""All that an administrator can do, one function per verb; the command line and the console only project it."""
