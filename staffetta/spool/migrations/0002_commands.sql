-- What came of a command, besides the count. claimed: recipients that were in hand; count grows by those of them that
-- it changes when they are free. held: recipients to be retried that wait for their release instead.
ALTER TABLE queue_command ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue_command ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
