-- Ride history: what happened (ride_events) and how each ride stands (rides), both written from the same queue messages.
-- Messages arrive at least once and in any order: events are recognised by their id, rides by their version.
-- row_number counts rows without a scan: a repeat that changes nothing takes no number.

CREATE TABLE rides (
  row_number INTEGER PRIMARY KEY,
  ride_id TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  state TEXT NOT NULL,
  rider_id TEXT NOT NULL,
  driver_id TEXT,
  vehicle_type TEXT NOT NULL,
  fare_cents INTEGER NOT NULL,
  redispatches INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  -- Moment of the newest event, milliseconds since 1970.
  updated_at INTEGER NOT NULL,
  -- NULL while the ride is open.
  ended_at INTEGER,
  -- The whole ride as JSON, as its newest event left it.
  body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

CREATE INDEX rides_of_rider ON rides (rider_id, created_at DESC, ride_id DESC);
CREATE INDEX rides_of_driver ON rides (driver_id, created_at DESC, ride_id DESC) WHERE driver_id IS NOT NULL;
CREATE INDEX rides_open ON rides (updated_at) WHERE ended_at IS NULL;

CREATE TABLE ride_events (
  row_number INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL UNIQUE,
  ride_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

CREATE INDEX ride_events_of_ride ON ride_events (ride_id, version);

-- Messages that could not be read or written, kept with the reason so that somebody can look.
CREATE TABLE ride_events_dead (
  row_number INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL UNIQUE,
  reason TEXT NOT NULL,
  body TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
