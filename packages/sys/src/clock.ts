// The wall clock with nanoseconds (clock_gettime(2)); Date has milliseconds.
import { bind } from './libc.ts';

const cClockGettime = bind('int clock_gettime(int, void*)');
const CLOCK_REALTIME = 0;

export interface WallTime {
  seconds: number;
  nanos: number;
}

const timespec = new BigInt64Array(2);

/** Since 1970, in UTC. */
export function wallTime(): WallTime {
  cClockGettime(CLOCK_REALTIME, timespec);
  return { seconds: Number(timespec[0]), nanos: Number(timespec[1]) };
}

let cachedSecond = -1;
let cachedText = '';

/** RFC 3339 in UTC with nine digits of a second, e.g. `2026-11-21T07:00:00.123456789Z`. */
export function formatWallTime({ seconds, nanos }: WallTime): string {
  if (seconds !== cachedSecond) {
    cachedSecond = seconds;
    cachedText = new Date(seconds * 1000).toISOString().slice(0, 19);
  }
  return `${cachedText}.${String(nanos).padStart(9, '0')}Z`;
}
