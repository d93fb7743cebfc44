/**
 * The compact form of a `location` frame: a header of two bytes, then 22 bytes per fix, little-endian.
 *
 *   0 u8   format, 1          0  u32 seq                    12 u32 ageMs
 *   1 u8   fixes, 1 to 20     4  i32 lat, 1e-7 degrees      16 u16 accuracy, decimetres, at most 65,534
 *                             8  i32 lng, 1e-7 degrees      18 u16 heading, 1/100 degree; 65,535 unknown
 *                                                           20 u16 speed, cm/s; 65,535 unknown or beyond
 */
import type { WireFix } from "./driver.ts";

const FORMAT = 1;
const HEADER_BYTES = 2;
const FIX_BYTES = 22;
/** Fixes that one frame may carry, in either form. */
export const MAX_FIXES = 20;
const UNKNOWN = 0xffff;

/** The fixes, their numbers not yet judged, or a sentence that says why the bytes are not a frame. */
export function decodeLocationFrame(frame: ArrayBuffer): WireFix[] | string {
  const view = new DataView(frame);
  if (view.byteLength < HEADER_BYTES) return "format: the frame ends before its header";
  if (view.getUint8(0) !== FORMAT) return `format: expected ${FORMAT}, got ${view.getUint8(0)}`;
  const count = view.getUint8(1);
  if (count < 1 || count > MAX_FIXES) return `fixes: expected 1 to ${MAX_FIXES}, got ${count}`;
  const expected = HEADER_BYTES + count * FIX_BYTES;
  if (view.byteLength !== expected) return `fixes: expected ${expected} bytes for ${count}, got ${view.byteLength}`;
  return Array.from({ length: count }, (_, index) => readFix(view, HEADER_BYTES + index * FIX_BYTES));
}

/** Throws RangeError for none or more than 20 fixes: that is this side's own bug, not a peer's. */
export function encodeLocationFrame(fixes: readonly WireFix[]): ArrayBuffer {
  if (fixes.length < 1 || fixes.length > MAX_FIXES)
    throw new RangeError(`1 to ${MAX_FIXES} fixes, got ${fixes.length}`);
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + fixes.length * FIX_BYTES));
  view.setUint8(0, FORMAT);
  view.setUint8(1, fixes.length);
  fixes.forEach((fix, index) => {
    writeFix(view, HEADER_BYTES + index * FIX_BYTES, fix);
  });
  return view.buffer as ArrayBuffer;
}

function readFix(view: DataView, at: number): WireFix {
  const heading = view.getUint16(at + 18, true);
  const speed = view.getUint16(at + 20, true);
  return {
    seq: view.getUint32(at, true),
    lat: view.getInt32(at + 4, true) / 1e7,
    lng: view.getInt32(at + 8, true) / 1e7,
    ageMs: view.getUint32(at + 12, true),
    accuracyMeters: view.getUint16(at + 16, true) / 10,
    headingDegrees: heading === UNKNOWN ? null : heading / 100,
    speedMetersPerSecond: speed === UNKNOWN ? null : speed / 100,
  };
}

function writeFix(view: DataView, at: number, fix: WireFix): void {
  view.setUint32(at, fix.seq, true);
  view.setInt32(at + 4, Math.round(fix.lat * 1e7), true);
  view.setInt32(at + 8, Math.round(fix.lng * 1e7), true);
  view.setUint32(at + 12, fix.ageMs, true);
  view.setUint16(at + 16, Math.min(Math.round(fix.accuracyMeters * 10), UNKNOWN - 1), true);
  // 359.996 degrees rounds to 36,000 hundredths, which is north again.
  const heading = fix.headingDegrees === null ? UNKNOWN : Math.round(fix.headingDegrees * 100) % 36_000;
  view.setUint16(at + 18, heading, true);
  const speed = fix.speedMetersPerSecond === null ? UNKNOWN : Math.round(fix.speedMetersPerSecond * 100);
  view.setUint16(at + 20, Math.min(speed, UNKNOWN), true);
}
