-- What the queue must remember beside the mail (marks.py).

-- expected_at: when the next message is expected, seconds since 1970.
CREATE TABLE pace (
    route TEXT NOT NULL,
    destination TEXT NOT NULL,
    expected_at REAL NOT NULL,
    PRIMARY KEY (route, destination)
) STRICT, WITHOUT ROWID;

-- Recipients that went in an hour, counted since 1970. scope: all, external.
CREATE TABLE route_hour (
    route TEXT NOT NULL,
    scope TEXT NOT NULL,
    hour INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (route, scope, hour)
) STRICT, WITHOUT ROWID;

-- Why what is due at a destination is not tried now; emptied at each start. until: NULL until somebody acts.
CREATE TABLE notice (
    route TEXT NOT NULL,
    destination TEXT NOT NULL,
    reason TEXT NOT NULL,
    until REAL,
    PRIMARY KEY (route, destination)
) STRICT, WITHOUT ROWID;
