-- Objects and the audit of their changes. What each table promises: docs/directory.md.

-- One row. generation: another number after every change.
CREATE TABLE directory (generation INTEGER NOT NULL) STRICT;
INSERT INTO directory VALUES (0);

-- number: by age. kind: the name of the list in the settings. name_key: the name, case-folded. value: JSON by field name.
CREATE TABLE object (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    guid TEXT NOT NULL UNIQUE,
    name_key TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    UNIQUE (kind, name_key)
) STRICT;

-- before, after: JSON by outside name, secrets as their number; NULL: not there.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    source TEXT NOT NULL,
    address TEXT,
    operation TEXT NOT NULL,
    organization TEXT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    before TEXT,
    after TEXT
) STRICT;
CREATE INDEX audit_by_time ON audit (at);

-- What is written stays as it was written.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
