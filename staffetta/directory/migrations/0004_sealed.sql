-- is_sealed: the secret is sealed with a key outside of this database; 0: as it was kept before, until the next start.
ALTER TABLE code_app ADD COLUMN is_sealed INTEGER NOT NULL DEFAULT 0;
