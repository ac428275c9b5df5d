// Moments with nanoseconds, as the Engine API shows them. Node's wall clock has microseconds at best; the monotonic clock's
// nanoseconds are added to one reading of it, so that two events never share a moment and never run backwards within a process.
import { EngineError } from '@berth/errdefs/engine-error';

const originWall = BigInt(Date.now()) * 1_000_000n;
const originMonotonic = process.hrtime.bigint();
let last = 0n;

/** Nanoseconds since the epoch; strictly increasing. Follows the wall clock when it was set by more than a second. */
export function nowNanoseconds(): bigint {
  let now = originWall + (process.hrtime.bigint() - originMonotonic);
  const wall = BigInt(Date.now()) * 1_000_000n;
  if (wall - now > 1_000_000_000n || now - wall > 1_000_000_000n) now = wall;
  else if (now <= last) now = last + 1n;
  last = now;
  return now;
}

/** RFC 3339 with nanoseconds, in UTC; trailing zeros cut as Go's RFC3339Nano does. */
export function formatTime(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const fraction = (nanoseconds % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return fraction ? `${seconds}.${fraction}Z` : `${seconds}Z`;
}

export function nowText(): string {
  return formatTime(nowNanoseconds());
}

/** Nanoseconds since the epoch of an RFC 3339 time; 0 for Go's zero time. */
export function parseTime(text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!match || text.startsWith('0001-')) return 0n;
  return BigInt(Date.parse(`${match[1]}${match[3]}`)) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** `since` and `until` of the Engine API: Unix seconds with an optional fraction, or RFC 3339. Undefined when empty or 0. Throws InvalidArgument. */
export function parseTimestamp(text: string): bigint | undefined {
  if (text === '' || text === '0') return undefined;
  const match = /^(\d+)(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (match?.[1]) return BigInt(match[1]) * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
  if (text.startsWith('0001-')) return undefined;
  const moment = parseTime(text);
  if (moment !== 0n) return moment;
  throw new EngineError('InvalidArgument', `invalid time ${JSON.stringify(text)}: use Unix seconds or an RFC 3339 time`, {
    layer: 'daemon',
  });
}
