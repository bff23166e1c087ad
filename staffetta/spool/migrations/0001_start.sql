-- The whole spool. What each table promises: docs/spool.md.

-- One row. generation: counts the starts, so that events of different starts never share a sequence.
-- probe: changed to find out whether the disk takes writes again.
CREATE TABLE spool (generation INTEGER NOT NULL, probe INTEGER NOT NULL) STRICT;
INSERT INTO spool VALUES (0, 0);

-- number grows with time (mail/queue_id.py), so new rows go to the end of the tree, and a range of numbers is a range of time.
CREATE TABLE message (
    number INTEGER PRIMARY KEY,
    message_id TEXT,
    subject TEXT,
    reverse_path TEXT,               -- NULL: the null path
    reverse_path_key TEXT NOT NULL,  -- Mailbox.key, '' for the null path
    body TEXT NOT NULL,
    smtputf8 INTEGER NOT NULL,
    require_tls INTEGER NOT NULL,
    ret TEXT,
    envelope_id TEXT,
    size INTEGER NOT NULL,
    has_eight_bit INTEGER NOT NULL,
    received_at REAL NOT NULL,
    session_id TEXT NOT NULL,
    peer_address TEXT NOT NULL,
    helo TEXT,
    connector TEXT,
    is_once INTEGER NOT NULL
) STRICT;

-- Lookups start with a slice of time (2**40 of number: 72 minutes), so that inserts touch a few warm pages
-- however long the trace is; a search names the slices.
CREATE INDEX message_by_message_id ON message (number >> 40, message_id);
CREATE INDEX message_by_reverse_path ON message (number >> 40, reverse_path_key);

-- file: NULL where octets are all of it; else the file's name, and octets go in front of it.
CREATE TABLE content (
    number INTEGER PRIMARY KEY,
    file TEXT,
    octets BLOB NOT NULL
) STRICT;
CREATE INDEX content_with_file ON content (number, file) WHERE file IS NOT NULL;

-- due_at: NULL for held and closed recipients.
CREATE TABLE recipient (
    number INTEGER NOT NULL,
    recipient INTEGER NOT NULL,
    address TEXT NOT NULL,
    address_key TEXT NOT NULL,
    notify INTEGER NOT NULL,
    original TEXT,
    route TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    is_delay_notified INTEGER NOT NULL DEFAULT 0,
    diagnostic TEXT,
    PRIMARY KEY (number, recipient)
) STRICT, WITHOUT ROWID;

CREATE INDEX recipient_by_address ON recipient (number >> 40, address_key);
CREATE INDEX recipient_due ON recipient (route, destination, due_at) WHERE due_at IS NOT NULL;
-- Small: what a crash cut, and what waits for an administrator.
CREATE INDEX recipient_in_attempt ON recipient (route, number) WHERE state = 'in attempt';
CREATE INDEX recipient_held ON recipient (route, number) WHERE state = 'held';

CREATE TABLE event (
    number INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    recipient INTEGER,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT,  -- JSON object
    PRIMARY KEY (number, sequence)
) STRICT, WITHOUT ROWID;

-- number: made like a message's, so the newest are at the end.
CREATE TABLE refusal (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    session_id TEXT NOT NULL,
    listener TEXT NOT NULL,
    peer_address TEXT NOT NULL,
    helo TEXT,
    tls TEXT,
    reverse_path TEXT,
    forward_path TEXT,
    reply TEXT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT
) STRICT;
CREATE INDEX refusal_by_session ON refusal (session_id);

CREATE TABLE queue_command (
    command_id INTEGER PRIMARY KEY AUTOINCREMENT,
    verb TEXT NOT NULL,
    numbers TEXT NOT NULL,  -- JSON array; empty means all
    asked_at REAL NOT NULL,
    asked_by TEXT NOT NULL,
    done_at REAL,
    count INTEGER
) STRICT;
CREATE INDEX queue_command_open ON queue_command (command_id) WHERE done_at IS NULL;
