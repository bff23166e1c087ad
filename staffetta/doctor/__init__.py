"""What is wrong with a set-up, found before mail does: facts are gathered, checks judge them, findings tell."""
