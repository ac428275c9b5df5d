// Resource limits of a process (config.md "POSIX process": rlimits).
import assert from 'node:assert/strict';
import type { Rlimit } from '@berth/oci/runtime-spec';
import { RLIMITS } from '@berth/runtime/rlimits';
import { getRlimit } from '@berth/sys/process';
import type { Laboratory } from '../runtime/laboratory.ts';
import { conformance } from './suite.ts';

const LARGE = 1n << 29n;

function limited(laboratory: Laboratory, script: string, ...rlimits: Rlimit[]) {
  return laboratory.run(script, (spec) => {
    if (spec.process) spec.process.rlimits = rlimits;
  });
}

conformance('every kind by its name', (laboratory) => {
  const wanted = [
    ['RLIMIT_CPU', 'Max cpu time'],
    ['RLIMIT_FSIZE', 'Max file size'],
    ['RLIMIT_DATA', 'Max data size'],
    ['RLIMIT_STACK', 'Max stack size'],
    ['RLIMIT_CORE', 'Max core file size'],
    ['RLIMIT_RSS', 'Max resident set'],
    ['RLIMIT_NPROC', 'Max processes'],
    ['RLIMIT_NOFILE', 'Max open files'],
    ['RLIMIT_MEMLOCK', 'Max locked memory'],
    ['RLIMIT_AS', 'Max address space'],
    ['RLIMIT_LOCKS', 'Max file locks'],
    ['RLIMIT_SIGPENDING', 'Max pending signals'],
    ['RLIMIT_MSGQUEUE', 'Max msgqueue size'],
    ['RLIMIT_NICE', 'Max nice priority'],
    ['RLIMIT_RTPRIO', 'Max realtime priority'],
    ['RLIMIT_RTTIME', 'Max realtime timeout'],
  ] as const;
  // Large enough to live under, and nothing that would have to be raised.
  const value = (type: string) => {
    const { hard } = getRlimit(RLIMITS[type] ?? -1);
    return Number(hard < LARGE ? hard : LARGE);
  };
  const rlimits = wanted.map(([type]) => ({ type, soft: value(type), hard: value(type) }));
  const { stdout, stderr } = limited(laboratory, 'cat /proc/self/limits', ...rlimits);
  for (const [type, line] of wanted)
    assert.match(stdout, new RegExp(`^${line} +${value(type)} +${value(type)} `, 'm'), `${type}\n${stderr}`);
});

conformance('soft and hard differ, and the soft one may be raised', (laboratory) => {
  const result = limited(laboratory, 'ulimit -n; ulimit -n 44; ulimit -n; ulimit -n 45 2>/dev/null || echo no', {
    type: 'RLIMIT_NOFILE',
    soft: 33,
    hard: 44,
  });
  // As root with CAP_SYS_RESOURCE it could be raised further: the example has no such capability.
  assert.equal(result.stdout, '33\n44\nno\n');
});

conformance('a name that is none is refused', (laboratory) => {
  const result = limited(laboratory, 'true', { type: 'RLIMIT_LUCK', soft: 1, hard: 1 });
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /RLIMIT_LUCK/);
});

conformance('a soft limit above the hard one is refused', (laboratory) => {
  assert.notEqual(limited(laboratory, 'true', { type: 'RLIMIT_NOFILE', soft: 44, hard: 33 }).code, 0);
});
