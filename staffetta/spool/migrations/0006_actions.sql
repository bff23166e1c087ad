-- What administrators do about the queue (commands.py, suspensions.py).

-- recipients: JSON array of [number, recipient], where the command is about these alone; NULL: about all of `numbers`.
-- route, destination: where to redirect to (destination NULL: each recipient's domain), or what is suspended.
-- includes_unknown: those too that a next hop may have. skipped: those that the command cannot be for.
ALTER TABLE queue_command ADD COLUMN recipients TEXT;
ALTER TABLE queue_command ADD COLUMN route TEXT;
ALTER TABLE queue_command ADD COLUMN destination TEXT;
ALTER TABLE queue_command ADD COLUMN includes_unknown INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue_command ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;

-- Whether the final reply of an attempt was lost, so that a next hop may have it whatever became of it since.
ALTER TABLE recipient ADD COLUMN is_doubtful INTEGER NOT NULL DEFAULT 0;
UPDATE recipient SET is_doubtful = 1 WHERE due_at IS NOT NULL AND state = 'unknown';

-- What is not tried until somebody resumes it. destination: '' is all of the route.
CREATE TABLE suspension (
    route TEXT NOT NULL,
    destination TEXT NOT NULL,
    at REAL NOT NULL,
    by TEXT NOT NULL,
    PRIMARY KEY (route, destination)
) STRICT, WITHOUT ROWID;

-- Messages that came for a destination and left it between two instants, the last such count; emptied at each start.
CREATE TABLE queue_flow (
    route TEXT NOT NULL,
    destination TEXT NOT NULL,
    until REAL NOT NULL,
    seconds REAL NOT NULL,
    came INTEGER NOT NULL,
    went INTEGER NOT NULL,
    PRIMARY KEY (route, destination)
) STRICT, WITHOUT ROWID;
