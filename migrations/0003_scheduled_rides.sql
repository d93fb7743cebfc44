-- From when on history ought to hear of an open ride: the moment of its newest event, and for a scheduled ride the moment
-- by which the search for its driver must have begun. Rows from before are due since ever, which is what they were.
ALTER TABLE rides ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;

DROP INDEX rides_open;
CREATE INDEX rides_due ON rides (due_at) WHERE ended_at IS NULL;
