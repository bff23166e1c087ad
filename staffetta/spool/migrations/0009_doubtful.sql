-- What a next hop may have is rare among what waits, and is what somebody must decide about.
CREATE INDEX recipient_doubtful ON recipient (number)
WHERE is_doubtful = 1 AND state IN ('ready', 'in attempt', 'deferred', 'held', 'unknown');
