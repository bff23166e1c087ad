-- How many of a recipient's attempts an administrator asked for: they lengthen no wait.
ALTER TABLE recipient ADD COLUMN retries_asked INTEGER NOT NULL DEFAULT 0;
