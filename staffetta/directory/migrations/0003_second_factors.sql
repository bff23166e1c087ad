-- What people prove besides, or instead of, a password.

-- secret: base32, of codes by time (RFC 6238); it is kept as it is, since codes are made from it.
-- last_step: the newest step whose code was used; none opens twice.
CREATE TABLE code_app (
    administrator INTEGER PRIMARY KEY REFERENCES administrator ON DELETE CASCADE,
    secret TEXT NOT NULL,
    last_step INTEGER NOT NULL
) STRICT;

-- credential: the passkey's id. sign_count: as it was last told, 0 where a passkey does not count.
CREATE TABLE passkey (
    credential BLOB PRIMARY KEY,
    administrator INTEGER NOT NULL REFERENCES administrator ON DELETE CASCADE,
    name TEXT NOT NULL,
    public_key BLOB NOT NULL,
    sign_count INTEGER NOT NULL,
    created_at REAL NOT NULL,
    used_at REAL
) STRICT, WITHOUT ROWID;
