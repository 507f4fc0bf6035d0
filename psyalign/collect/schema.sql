-- Ids, answers and times; no response text. Judgements are only ever added: an undo is a row of its own.
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE raters (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  token_hash TEXT NOT NULL UNIQUE,
  extra INTEGER NOT NULL DEFAULT 0,
  active INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  place INTEGER NOT NULL,
  block TEXT NOT NULL,
  kind TEXT NOT NULL,
  item TEXT NOT NULL,
  response_a TEXT NOT NULL,
  response_b TEXT NOT NULL,
  low INTEGER,
  high INTEGER,
  expected TEXT NOT NULL,
  shared INTEGER NOT NULL,
  anchor INTEGER NOT NULL,
  priority REAL NOT NULL
) STRICT;

-- round 1: first asked; round 2: the repeat
CREATE TABLE assignments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  rater INTEGER NOT NULL REFERENCES raters (id),
  task TEXT NOT NULL REFERENCES tasks (id),
  round INTEGER NOT NULL,
  at TEXT NOT NULL,
  UNIQUE (rater, task, round)
) STRICT;

-- version counts the rows of an assignment; a form names the version that it makes, so that the same form
-- sent twice makes one row
CREATE TABLE judgements (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  assignment INTEGER NOT NULL REFERENCES assignments (id),
  version INTEGER NOT NULL,
  answer TEXT NOT NULL,
  shown_as TEXT NOT NULL,
  comment TEXT NOT NULL,
  seconds REAL,
  active_seconds REAL,
  at TEXT NOT NULL,
  supersedes INTEGER REFERENCES judgements (id),
  UNIQUE (assignment, version)
) STRICT;

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  rater INTEGER REFERENCES raters (id),
  what TEXT NOT NULL,
  assignment INTEGER REFERENCES assignments (id)
) STRICT;

CREATE TRIGGER judgements_stay BEFORE UPDATE ON judgements
BEGIN SELECT RAISE(ABORT, 'judgements are only added'); END;

CREATE TRIGGER judgements_remain BEFORE DELETE ON judgements
BEGIN SELECT RAISE(ABORT, 'judgements are only added'); END;

-- the latest row of each assignment; 'undone' means that the question is open again
CREATE VIEW standing AS
SELECT j.*, a.rater, a.task, a.round
FROM judgements j JOIN assignments a ON a.id = j.assignment
WHERE j.version = (SELECT max(version) FROM judgements WHERE assignment = j.assignment)
  AND j.answer != 'undone';
