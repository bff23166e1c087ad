-- What the owner of the spool says to its database, by name. Open states: ready, in attempt, deferred, held, unknown.

-- name: insert_message
INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_content
INSERT INTO content VALUES (?, ?, ?)

-- name: insert_recipient
INSERT INTO recipient (number, recipient, address, address_key, notify, original, route, destination, connector, state,
    due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_event
INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)

-- name: insert_refusal
INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: begin_attempt
UPDATE recipient SET state = 'in attempt' WHERE number = ? AND recipient = ?

-- name: settle
UPDATE recipient SET state = ?, due_at = ?, attempts = attempts + ?, is_delay_notified = max(is_delay_notified, ?),
    diagnostic = coalesce(?, diagnostic)
WHERE number = ? AND recipient = ?

-- name: drop_content
DELETE FROM content WHERE number = ?1 AND NOT EXISTS (
    SELECT 1 FROM recipient
    WHERE number = ?1 AND state IN ('ready', 'in attempt', 'deferred', 'held', 'unknown')
)

-- name: numbers_with_file
SELECT number FROM content INDEXED BY content_with_file
WHERE file IS NOT NULL AND number IN (SELECT value FROM json_each(?))

-- name: next_connector
SELECT route, destination, connector FROM recipient
WHERE due_at IS NOT NULL AND route = ? AND destination = ? AND connector > ? ORDER BY connector LIMIT 1

-- name: next_destination
SELECT route, destination, connector FROM recipient WHERE due_at IS NOT NULL AND route = ? AND destination > ?
ORDER BY destination, connector LIMIT 1

-- name: next_route
SELECT route, destination, connector FROM recipient WHERE due_at IS NOT NULL AND route > ?
ORDER BY route, destination, connector LIMIT 1

-- name: line_due
SELECT number, recipient, due_at FROM recipient
WHERE due_at IS NOT NULL AND route = ? AND destination = ? AND connector = ? AND state <> 'in attempt' ORDER BY due_at

-- name: claimable
SELECT number, recipient, address, address_key, notify, original, attempts, state, is_delay_notified,
    retries_asked, is_doubtful
FROM recipient
WHERE route = ? AND destination = ? AND connector = ? AND due_at <= ? AND state <> 'in attempt'
ORDER BY due_at, number, recipient

-- name: open_of
SELECT number, recipient, address, address_key, notify, original, attempts, state, is_delay_notified,
    retries_asked, is_doubtful, route, destination
FROM recipient WHERE number = ? AND state IN ('ready', 'deferred', 'held', 'unknown')

-- name: message_to_claim
SELECT m.message_id, m.subject, m.reverse_path, m.reverse_path_key, m.body, m.smtputf8, m.require_tls, m.ret,
    m.envelope_id, m.size, m.has_eight_bit, m.connector, m.is_once, m.received_at, c.octets, c.file
FROM message m JOIN content c USING (number) WHERE m.number = ?

-- name: named_files
SELECT file FROM content WHERE file IS NOT NULL

-- name: interrupted
SELECT r.number, r.recipient, m.is_once FROM recipient r JOIN message m USING (number) WHERE r.state = 'in attempt'

-- name: open_commands
SELECT command_id, verb, asked_by, numbers, recipients, route, destination, includes_unknown FROM queue_command WHERE done_at IS NULL ORDER BY command_id

-- name: close_command
UPDATE queue_command SET done_at = coalesce(done_at, ?), count = coalesce(count, 0) + ?,
    claimed = iif(done_at IS NULL, ?, claimed), held = iif(done_at IS NULL, ?, held),
    skipped = iif(done_at IS NULL, ?, skipped)
WHERE command_id = ?

-- name: to_hold
SELECT number, recipient FROM recipient WHERE due_at IS NOT NULL AND state <> 'in attempt'

-- name: to_release
SELECT number, recipient FROM recipient WHERE state = 'held'

-- name: to_retry
SELECT number, recipient FROM recipient WHERE due_at > ?1 AND state <> 'in attempt'

-- name: bring_forward
UPDATE recipient SET due_at = max(due_at - ?1, ?2) WHERE due_at > ?2 AND state <> 'in attempt'

-- name: to_delete
SELECT number, recipient FROM recipient WHERE due_at IS NOT NULL AND state <> 'in attempt'
UNION ALL SELECT number, recipient FROM recipient WHERE state = 'held'

-- name: one_message
SELECT recipient, state, due_at, is_doubtful FROM recipient
WHERE number = ? AND state IN ('ready', 'deferred', 'held', 'unknown')

-- name: hold
UPDATE recipient SET state = 'held', due_at = NULL WHERE number = ? AND recipient = ?

-- name: release
UPDATE recipient SET due_at = ?, state = 'ready' WHERE number = ? AND recipient = ?

-- name: retry
UPDATE recipient SET due_at = ?, retries_asked = min(retries_asked, attempts) + 1 WHERE number = ? AND recipient = ?

-- name: delete
UPDATE recipient SET state = 'deleted', due_at = NULL, diagnostic = ? WHERE number = ? AND recipient = ?

-- name: redirect
UPDATE recipient SET route = ?1, destination = coalesce(?2, substr(address_key, length(rtrim(address_key, replace(address_key, '@', ''))) + 1)),
    due_at = iif(state = 'held', NULL, ?3), retries_asked = min(retries_asked, attempts) + 1
WHERE number = ?4 AND recipient = ?5

-- name: failed_of
SELECT recipient, is_doubtful FROM recipient
WHERE number = ?1 AND state = 'failed' AND EXISTS (SELECT 1 FROM content WHERE number = ?1)

-- name: reopen
UPDATE recipient SET state = 'ready', due_at = ?1, route = ?2, destination = ?3, retries_asked = min(retries_asked, attempts) + 1
WHERE number = ?4 AND recipient = ?5 AND state = 'failed' AND EXISTS (SELECT 1 FROM content WHERE number = ?4)

-- name: set_road
UPDATE recipient SET route = ?, destination = ? WHERE number = ? AND recipient = ?

-- name: complete
UPDATE recipient SET state = 'delivered', due_at = NULL, diagnostic = ? WHERE number = ? AND recipient = ?

-- name: set_doubtful
UPDATE recipient SET is_doubtful = 1 WHERE number = ? AND recipient = ?

-- name: suspend
INSERT INTO suspension VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: resume
DELETE FROM suspension WHERE route = ? AND destination = ?

-- name: post_queue_flow
INSERT INTO queue_flow VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET until = ?3, seconds = ?4, came = ?5, went = ?6

-- name: count_waiting
SELECT route, due_at <= ?1 AS is_due, count(*), min(number) FROM recipient WHERE due_at IS NOT NULL GROUP BY 1, 2

-- name: count_in_attempt
SELECT route, count(*), min(number) FROM recipient WHERE state = 'in attempt' GROUP BY route

-- name: count_held
SELECT route, count(*), min(number) FROM recipient WHERE state = 'held' GROUP BY route

-- name: expired_messages
SELECT number FROM message WHERE number < ?1 AND NOT EXISTS (
    SELECT 1 FROM recipient r WHERE r.number = message.number
    AND state IN ('ready', 'in attempt', 'deferred', 'held', 'unknown')
) LIMIT ?2

-- name: mark_pace
INSERT INTO pace VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET expected_at = ?3

-- name: mark_crowding
INSERT INTO crowding VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET lanes = ?3, quiet_until = ?4, reply = ?5

-- name: mark_hour
INSERT INTO route_hour VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET recipients = ?4

-- name: post_notice
INSERT INTO notice VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET reason = ?3, until = ?4

-- name: drop_notice
DELETE FROM notice WHERE route = ? AND destination = ?

-- name: sweep_pace
DELETE FROM pace WHERE expected_at < ?

-- name: sweep_crowding
DELETE FROM crowding WHERE quiet_until < ?

-- name: sweep_hours
DELETE FROM route_hour WHERE hour < ?
