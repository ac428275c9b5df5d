// google.protobuf.Timestamp and JavaScript's clocks.
import type { Timestamp } from '../gen/google/protobuf/timestamp.ts';

/** `milliseconds` since 1970; fractions are kept. */
export function timestampOf(milliseconds: number): Timestamp {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1000) * 1e6) };
}

/** The wall clock now, with the microseconds that `performance` knows. */
export function timestampNow(): Timestamp {
  return timestampOf(performance.timeOrigin + performance.now());
}

/** Milliseconds since 1970. */
export function millisecondsOf(timestamp: Timestamp): number {
  return timestamp.seconds * 1000 + timestamp.nanos / 1e6;
}

/** Undefined for a timestamp that is absent or zero, which is how Go's zero time arrives. */
export function dateOf(timestamp: Timestamp | undefined): Date | undefined {
  if (!timestamp || timestamp.seconds <= 0) return undefined;
  return new Date(millisecondsOf(timestamp));
}

/** RFC 3339 with nanoseconds, as Go prints it: `2026-11-21T07:00:00.123456789Z`. */
export function rfc3339Of(timestamp: Timestamp): string {
  const whole = new Date(timestamp.seconds * 1000).toISOString().slice(0, 19);
  return timestamp.nanos === 0 ? `${whole}Z` : `${whole}.${String(timestamp.nanos).padStart(9, '0').replace(/0+$/, '')}Z`;
}
