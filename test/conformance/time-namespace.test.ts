// A clock of the container's own (config-linux.md "Namespaces": time, "Offset for Time Namespace").
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { conformance, type Differences } from './suite.ts';

const LATE: Differences = { runc: 'runc 1.1 has no time namespaces: they came with 1.2', crun: 'crun 1.8 fails over a time namespace' };
const DAY = 86_400;

conformance(
  'the time since boot is shifted, in seconds and nanoseconds',
  (laboratory) => {
    const result = laboratory.run('cat /proc/uptime /proc/self/timens_offsets', (spec) => {
      spec.linux?.namespaces?.push({ type: 'time' });
      if (spec.linux) spec.linux.timeOffsets = { boottime: { secs: DAY, nanosecs: 5 }, monotonic: { secs: 2 * DAY } };
    });
    const [uptime = '', ...offsets] = result.stdout.trim().split('\n');
    const ours = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    assert.ok(Math.abs(Number(uptime.split(' ')[0]) - ours - DAY) < 60, `${uptime}, ours ${ours}: ${result.stderr}`);
    assert.deepEqual(
      offsets.map((line) => line.trim().split(/\s+/)),
      [
        ['monotonic', String(2 * DAY), '0'],
        ['boottime', String(DAY), '5'],
      ],
    );
  },
  LATE,
);

conformance(
  'a further process has the same clock',
  (laboratory) => {
    const id = laboratory.background((spec) => {
      spec.linux?.namespaces?.push({ type: 'time' });
      if (spec.linux) spec.linux.timeOffsets = { boottime: { secs: DAY } };
    });
    // What the process starts is in the namespace even where the process itself is not.
    const result = laboratory.runtime(['exec', id, 'sh', '-c', 'cat /proc/uptime; true']);
    const ours = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    assert.ok(Math.abs(Number(result.stdout.split(' ')[0]) - ours - DAY) < 60, `${result.stdout}, ours ${ours}`);
  },
  LATE,
);

conformance(
  'offsets without the namespace are refused',
  (laboratory) => {
    const result = laboratory.run('true', (spec) => {
      if (spec.linux) spec.linux.timeOffsets = { boottime: { secs: DAY } };
    });
    assert.notEqual(result.code, 0);
  },
  LATE,
);
