"""The tables of every service. Opening the database makes them all; it loads no service for that.

Statements are ``CREATE ... IF NOT EXISTS``: a database of an earlier version gets what it lacks.
"""

from __future__ import annotations

from typing import Final

EVENT_QUEUE: Final = """
CREATE TABLE IF NOT EXISTS events (
    request_id TEXT NOT NULL UNIQUE,
    claimant TEXT,
    queue TEXT NOT NULL,
    due_at REAL NOT NULL,
    accepted_at REAL NOT NULL,
    function_name TEXT NOT NULL,
    source TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    backoffs INTEGER NOT NULL,
    delivery_attempt INTEGER NOT NULL,
    deliveries TEXT,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS unclaimed_events ON events (queue, due_at) WHERE claimant IS NULL;
CREATE TABLE IF NOT EXISTS event_claimants (claimant TEXT PRIMARY KEY) WITHOUT ROWID;
"""

NOTIFICATIONS: Final = """
CREATE TABLE IF NOT EXISTS subscriptions (
    id TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    subscriber TEXT NOT NULL,
    settings TEXT NOT NULL,
    delivered_by TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registrations (   -- which processes declare it
    subscription TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (subscription, owner)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS subscriptions_by_resource ON subscriptions (service, name);
CREATE TABLE IF NOT EXISTS notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL,
    due_at REAL NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS notifications_by_due_time ON notifications (subscription, due_at, id);
"""

QUEUES: Final = """
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,    -- the order of sending
    queue TEXT NOT NULL,
    message_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT,                         -- message attributes in wire form, as JSON
    group_id TEXT,
    deduplication_id TEXT,
    sent_at REAL NOT NULL,
    visible_at REAL NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0,
    receipt INTEGER NOT NULL DEFAULT 0,      -- the only one that is good; grows
    first_received_at REAL,
    dead_letter_source TEXT                  -- the ARN of the queue it was moved from
);
CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (queue, visible_at, id, sent_at);
CREATE INDEX IF NOT EXISTS messages_by_order ON messages (queue, id, visible_at, group_id, sent_at);
CREATE TABLE IF NOT EXISTS message_deduplication (
    queue TEXT NOT NULL,
    deduplication_id TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (queue, deduplication_id)
) WITHOUT ROWID;
"""

BUCKETS: Final = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY,
    sequencer INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bucket_objects (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    etag TEXT NOT NULL,
    body BLOB,                  -- only in memory; otherwise the object is a file
    PRIMARY KEY (bucket, key)
);
"""

SCHEDULES: Final = """
CREATE TABLE IF NOT EXISTS schedules (
    subscription TEXT PRIMARY KEY,
    anchor REAL NOT NULL,
    last_time REAL NOT NULL
) WITHOUT ROWID;
"""

LOGS: Final = """
CREATE TABLE IF NOT EXISTS log_partitions (
    id INTEGER PRIMARY KEY,
    log TEXT NOT NULL,
    name TEXT NOT NULL,
    parents TEXT NOT NULL DEFAULT '[]',
    next_position INTEGER NOT NULL DEFAULT 0,
    closed_at REAL,
    UNIQUE (log, name)
);
CREATE TABLE IF NOT EXISTS log_records (
    partition_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    timestamp REAL NOT NULL,
    key,                         -- text or bytes, as the service has it
    data BLOB,
    attributes TEXT,
    PRIMARY KEY (partition_id, position)
);
"""

SHARDS: Final = """
CREATE TABLE IF NOT EXISTS shards (
    partition_id INTEGER PRIMARY KEY,
    log TEXT NOT NULL,
    number INTEGER NOT NULL,
    first_hash TEXT NOT NULL,   -- 128 bits do not fit into an integer
    last_hash TEXT NOT NULL,
    UNIQUE (log, number)
);
"""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS tables (
    name TEXT PRIMARY KEY,
    partition_key TEXT NOT NULL,
    sort_key TEXT,
    created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS table_items (
    table_name TEXT NOT NULL,
    key TEXT NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (table_name, key)
);
"""

DOCUMENTS: Final = """
CREATE TABLE IF NOT EXISTS documents (
    collection TEXT NOT NULL,    -- database.collection
    key TEXT NOT NULL,           -- the _id as JSON
    document TEXT NOT NULL,
    PRIMARY KEY (collection, key)
);
"""

GROUPS: Final = """
CREATE TABLE IF NOT EXISTS consumer_groups (
    name TEXT PRIMARY KEY,
    generation INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS group_members (
    group_name TEXT NOT NULL,
    member TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (group_name, member)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS group_partitions (
    group_name TEXT NOT NULL,
    partition TEXT NOT NULL,
    position INTEGER NOT NULL,               -- done up to and including
    state TEXT,
    committed INTEGER NOT NULL DEFAULT 0,    -- 0: position is only where to start
    complete INTEGER NOT NULL DEFAULT 0,
    assignee TEXT,                           -- the member that shall read it
    owner TEXT,                              -- the member that does
    generation INTEGER NOT NULL DEFAULT 0,   -- in which the owner got it
    revoke_by REAL,                          -- when an owner that is not the assignee loses it
    PRIMARY KEY (group_name, partition)
) WITHOUT ROWID;
"""

SCHEMA: Final = "".join(
    (EVENT_QUEUE, NOTIFICATIONS, QUEUES, BUCKETS, SCHEDULES, LOGS, SHARDS, TABLES, DOCUMENTS, GROUPS)
)
"""All of them."""
