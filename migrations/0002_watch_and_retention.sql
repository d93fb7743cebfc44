-- What the reconciliation found broken: once per invariant and offer (or ride), however often it is found again.
CREATE TABLE invariant_violations (
  name TEXT NOT NULL,
  -- The offer, or the ride where no offer is to blame.
  subject TEXT NOT NULL,
  shard TEXT NOT NULL,
  found_at INTEGER NOT NULL,
  PRIMARY KEY (name, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX violations_by_time ON invariant_violations (found_at);

-- 1 while a body still says where exactly somebody was picked up and set down; 0 once it names only the cell's centre.
ALTER TABLE rides ADD COLUMN exact INTEGER NOT NULL DEFAULT 1;
ALTER TABLE ride_events ADD COLUMN exact INTEGER NOT NULL DEFAULT 1;

CREATE INDEX rides_exact ON rides (created_at) WHERE exact = 1;
CREATE INDEX ride_events_exact ON ride_events (at) WHERE exact = 1;
