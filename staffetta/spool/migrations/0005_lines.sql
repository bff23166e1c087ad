-- What waits for a destination stands in one line per connector, so that a claim takes from a line without a walk over the
-- others. connector: as in message, but '' for none, since NULL is not found by an index walk.
ALTER TABLE recipient ADD COLUMN connector TEXT NOT NULL DEFAULT '';
UPDATE recipient SET connector = coalesce((SELECT connector FROM message m WHERE m.number = recipient.number), '')
WHERE state IN ('ready', 'in attempt', 'deferred', 'held', 'unknown');
DROP INDEX recipient_due;
CREATE INDEX recipient_due ON recipient (route, destination, connector, due_at) WHERE due_at IS NOT NULL;

-- Where a next hop has said that it has too many connections of ours (marks.py). lanes: how many it gets.
-- quiet_until: seconds since 1970; from then on one more at a time.
CREATE TABLE crowding (
    route TEXT NOT NULL,
    destination TEXT NOT NULL,
    lanes INTEGER NOT NULL,
    quiet_until REAL NOT NULL,
    reply TEXT NOT NULL,
    PRIMARY KEY (route, destination)
) STRICT, WITHOUT ROWID;
