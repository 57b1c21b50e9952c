-- The embedded store, schema 1. Ids are the 16 bytes of gate.ID; times are UTC.

-- One row: what the store says of itself. Without it the store is uninitialised, whatever else stands here.
CREATE TABLE IF NOT EXISTS meta (
  one         INTEGER PRIMARY KEY CHECK (one = 1),
  fingerprint TEXT    NOT NULL,
  created     INTEGER NOT NULL -- Unix seconds
) STRICT;

CREATE TABLE IF NOT EXISTS streams (
  code    TEXT PRIMARY KEY,
  purpose TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The record of a recipient: the fold of the events.
CREATE TABLE IF NOT EXISTS records (
  id      BLOB    PRIMARY KEY,
  version INTEGER NOT NULL,
  fields  TEXT    NOT NULL, -- JSON array of [name, text] as gate.Record.Fields returns them
  sealed  TEXT    NOT NULL  -- sealed address or empty
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS events (
  recipient BLOB    NOT NULL,
  version   INTEGER NOT NULL, -- that the event made of the record
  event     TEXT    NOT NULL, -- JSON without recipient
  PRIMARY KEY (recipient, version)
) STRICT, WITHOUT ROWID;

-- The blocked-send log. seq is the order of arrival, by which the oldest are dropped.
CREATE TABLE IF NOT EXISTS blocks (
  seq       INTEGER PRIMARY KEY,
  id        TEXT    NOT NULL UNIQUE,
  time      INTEGER NOT NULL, -- Unix microseconds
  recipient BLOB    NOT NULL,
  entry     TEXT    NOT NULL  -- JSON
) STRICT;
CREATE INDEX IF NOT EXISTS blocks_by_time ON blocks (time, id);
CREATE INDEX IF NOT EXISTS blocks_by_recipient ON blocks (recipient, time, id);

CREATE TABLE IF NOT EXISTS counts (
  day  TEXT    NOT NULL, -- 2026-11-23
  name TEXT    NOT NULL,
  n    INTEGER NOT NULL,
  PRIMARY KEY (day, name)
) STRICT, WITHOUT ROWID;

-- The delivery ledger; expires in Unix milliseconds.
CREATE TABLE IF NOT EXISTS ledger (
  key     TEXT    NOT NULL,
  member  TEXT    NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (key, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ledger_by_expiry ON ledger (expires);

CREATE TABLE IF NOT EXISTS leases (
  key     TEXT    PRIMARY KEY,
  owner   TEXT    NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The audit log. An entry is the JSON of gate.AuditEntry and names the hash of the one before it.
CREATE TABLE IF NOT EXISTS audit (
  seq   INTEGER PRIMARY KEY,
  entry TEXT    NOT NULL
) STRICT;

-- The texts that people were shown, kept for ever.
CREATE TABLE IF NOT EXISTS wordings (
  id       TEXT NOT NULL,
  version  TEXT NOT NULL,
  language TEXT NOT NULL,
  entry    TEXT NOT NULL, -- JSON of gate.WordingText
  PRIMARY KEY (id, version, language)
) STRICT, WITHOUT ROWID;

-- Marks on sources: what operators declared invalid, and lifted. Only ever added to.
CREATE TABLE IF NOT EXISTS marks (
  id   TEXT PRIMARY KEY,
  mark TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;
