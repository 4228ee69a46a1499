"""What is said to the server about the events of one queue. Each statement is a transaction of its own.

Claims and due times use different clocks. A lease is a promise between processes, so one clock, the server's, begins
and ends them all: no process whose clock is wrong keeps or takes what it should not. ``due_at`` and ``accepted_at``
come from the clock of the process that accepted or postponed the event (on virtual time, from one that has nothing
to do with the server's), and are therefore compared with the time of the process that asks. Where the clocks of
processes differ, a retry is early or late by the difference, which harms nobody.

Only the claimant changes a claimed event, over one connection, and whoever claims skips what is locked: no two
statements wait for each other.

``{events}`` stands for the table. $1 is the queue, $2 the claimant, where they are needed.
"""

from __future__ import annotations

from typing import Final

FIELDS: Final = (
    "request_id, function_name, source, payload, accepted_at, due_at, attempt, backoffs, deliveries, delivery_attempt"
)
_NEW: Final = """
    unnest($4::text[], $5::text[], $6::text[], $7::bytea[], $8::float8[], $9::float8[], $10::int[], $11::int[],
           $12::text[], $13::int[]"""
_LEASE: Final = "now() + $3::float8 * interval '1 second'"

PUT: Final = f"""
WITH stored AS (
    INSERT INTO {{events}} (queue, {FIELDS}, claimed_by, lease_until)
    SELECT $1, {FIELDS}, CASE WHEN claim THEN $2::uuid END, CASE WHEN claim THEN {_LEASE} END
    FROM {_NEW}, $14::bool[]) AS new ({FIELDS}, claim)
    ON CONFLICT DO NOTHING
    RETURNING request_id, due_at, lease_until
), told AS MATERIALIZED (
    SELECT pg_notify($15, min(due_at)::text) FROM stored WHERE lease_until IS NULL HAVING count(*) > 0
)
SELECT request_id, lease_until IS NOT NULL AS claimed, (SELECT count(*) FROM told) FROM stored
"""

# What was claimed once was due before anything that is still unclaimed, so it comes first. The ids go through an array
# because the planner cannot know how few the limits leave; a join might read the whole queue.
CLAIM: Final = f"""
WITH abandoned AS MATERIALIZED (
    SELECT request_id FROM {{events}} WHERE queue = $1 AND lease_until <= now() AND due_at <= $4
    ORDER BY lease_until LIMIT $5 FOR UPDATE SKIP LOCKED
), waiting AS MATERIALIZED (
    SELECT request_id FROM {{events}} WHERE queue = $1 AND lease_until IS NULL AND due_at <= $4
    ORDER BY due_at LIMIT $5 - (SELECT count(*) FROM abandoned) FOR UPDATE SKIP LOCKED
), chosen AS (
    SELECT request_id FROM abandoned UNION ALL SELECT request_id FROM waiting
)
UPDATE {{events}} SET claimed_by = $2, lease_until = {_LEASE}
WHERE queue = $1 AND request_id = ANY(ARRAY(SELECT request_id FROM chosen))
RETURNING {FIELDS}
"""

NEXT: Final = """
SELECT least((SELECT min(due_at) FROM {events} WHERE queue = $1 AND lease_until IS NULL),
             (SELECT min(due_at) FROM {events} WHERE queue = $1 AND lease_until <= now())) AS due_at,
       (SELECT extract(epoch FROM min(lease_until) - now())::float8 FROM {events}
        WHERE queue = $1 AND lease_until > now()) AS lease_seconds
"""

DELETE: Final = "DELETE FROM {events} WHERE queue = $1 AND claimed_by = $2 AND request_id = ANY($3::text[])"

REPLACE: Final = f"""
WITH replaced AS (
    UPDATE {{events}} AS old SET claimed_by = NULL, lease_until = NULL, function_name = new.function_name,
        source = new.source, payload = new.payload, accepted_at = new.accepted_at, due_at = new.due_at,
        attempt = new.attempt, backoffs = new.backoffs, deliveries = new.deliveries,
        delivery_attempt = new.delivery_attempt
    FROM {_NEW}) AS new ({FIELDS})
    WHERE old.queue = $1 AND old.claimed_by = $2 AND old.request_id = new.request_id
    RETURNING old.due_at
)
SELECT pg_notify($3, min(due_at)::text) FROM replaced HAVING count(*) > 0
"""

EXTEND: Final = f"""
UPDATE {{events}} SET lease_until = {_LEASE} WHERE queue = $1 AND claimed_by = $2 AND request_id = ANY($4::text[])
RETURNING request_id
"""

RELEASE: Final = """
WITH released AS (
    UPDATE {events} SET claimed_by = NULL, lease_until = NULL
    WHERE queue = $1 AND claimed_by = $2 AND lease_until IS NOT NULL AND ($4::text[] IS NULL OR request_id = ANY($4))
    RETURNING due_at
)
SELECT pg_notify($3, min(due_at)::text) FROM released HAVING count(*) > 0
"""

STATISTICS: Final = """
SELECT queue, count(*) FILTER (WHERE claimed) AS claimed,
       count(*) FILTER (WHERE NOT claimed AND due_at <= $1) AS waiting,
       count(*) FILTER (WHERE NOT claimed AND due_at > $1) AS scheduled
FROM (SELECT queue, due_at, coalesce(lease_until > now(), false) AS claimed FROM {events}
      WHERE $2::text IS NULL OR queue = $2) AS every
GROUP BY queue ORDER BY queue
"""
