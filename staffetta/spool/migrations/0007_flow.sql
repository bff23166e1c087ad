-- How much mail came, left, waited and was refused, in slots of five minutes (trace/flow.py).
-- slot: counted since 1970. name: the connector, the route, or the reason of the refusal.
CREATE TABLE flow (
    slot INTEGER NOT NULL,
    way TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (slot, way, name)
) STRICT, WITHOUT ROWID;
