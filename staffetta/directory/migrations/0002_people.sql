-- Who may administer: people, their role groups, their sign-ins, and the tokens of programs.
-- Secrets are kept as SHA-256 of 256 random bits (digest), passwords as Argon2id hashes.

-- organization: the only one that this person sees; NULL: all. password_hash: NULL: no password opens.
CREATE TABLE administrator (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    organization TEXT,
    password_hash TEXT,
    enabled INTEGER NOT NULL,
    created_at REAL NOT NULL,
    signed_in_at REAL
) STRICT;

-- roles: JSON array of names. The built-in groups are the roles.
CREATE TABLE role_group (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    roles TEXT NOT NULL,
    is_built_in INTEGER NOT NULL
) STRICT;
INSERT INTO role_group (name, name_key, roles, is_built_in) VALUES
    ('Organization Management', 'organization management', '["Organization Management"]', 1),
    ('View-Only Organization Management', 'view-only organization management', '["View-Only Organization Management"]', 1),
    ('Help Desk', 'help desk', '["Help Desk"]', 1),
    ('Compliance Management', 'compliance management', '["Compliance Management"]', 1);

CREATE TABLE role_group_member (
    role_group INTEGER NOT NULL REFERENCES role_group ON DELETE CASCADE,
    administrator INTEGER NOT NULL REFERENCES administrator ON DELETE CASCADE,
    PRIMARY KEY (role_group, administrator)
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    organization TEXT,
    roles TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created_by TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    used_at REAL
) STRICT;

CREATE TABLE sign_in (
    digest BLOB PRIMARY KEY,
    administrator INTEGER NOT NULL REFERENCES administrator ON DELETE CASCADE,
    address TEXT,
    began_at REAL NOT NULL,
    used_at REAL NOT NULL,
    ends_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- One row at most: the code that makes the first administrator.
CREATE TABLE first_code (digest BLOB NOT NULL) STRICT;
