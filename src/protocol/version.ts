/**
 * The version of every wire that people's apps speak. A change of any schema changes the fingerprint in
 * test/node/protocol/fingerprint.test.ts; whoever changes it adds a line here and decides whether old apps still work.
 *
 * 1  the first: hello, location (JSON and binary), status, offers, trips; rides over HTTP
 *    since then the driver may also hear `session.ending`: an app that does not know it is closed with 4401 and comes back;
 *    and `config`: an app that does not know it keeps the cadence of its welcome;
 *    offers say `pickupSeconds` and positions `etaSeconds`, which came before anybody had an app;
 *    riders may ask for quotes and name one with the ride they ask for;
 *    drivers may say where they are going, with hello and status;
 *    where a market has queues at its zones the driver hears `queue`, and offers name the pickup's zone: an app that does
 *    not know them shows no place;
 *    a ride that left its driver may say `exchanged`, where a market re-plans: to an app that does not know the word it is
 *    a ride that looks for a driver again, as before;
 *    where a market re-plans, a ride that left its driver may say `next`, and so may a step under its offer that is
 *    refused: the ride that is his now. An app that does not know the word must not be let into a market that re-plans: it
 *    would lead him on to the rider whom another picks up;
 *    a driver may hear a `hint`, where a market gives such: an app that does not know it loses an advice;
 *    where a market takes scheduled rides, riders may say `pickupAt` and see the state `scheduled`, and drivers hear the
 *    time with such an offer or ride: an app that does not know it must not be let into a market that does
 */
export const PROTOCOL_VERSION = 1;
