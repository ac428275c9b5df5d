// What is written to which file: a directory of ordinary files stands in for the kernel, which a host without cgroup v2
// controllers does not offer. test/runtime has the kernel's own answers.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LinuxResources } from '@berth/oci/runtime-spec';
import { applyLimits } from './limits-v2.ts';
import { statsV2 } from './stats-v2.ts';

/** The files after the limits were applied; those that nobody wrote to stay empty. */
function written(resources: LinuxResources, ...files: string[]): Record<string, string> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-cgroup-'));
  try {
    for (const file of files) writeFileSync(join(directory, file), '');
    applyLimits(directory, resources);
    return Object.fromEntries(files.map((file) => [file, readFileSync(join(directory, file), 'utf8')]));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('memory: v1 quantities in v2 files', () => {
  const files = ['memory.max', 'memory.swap.max', 'memory.low'];
  assert.deepEqual(written({ memory: { limit: 100, swap: 150, reservation: 50 } }, ...files), {
    'memory.max': '100',
    'memory.swap.max': '50',
    'memory.low': '50',
  });
  assert.deepEqual(written({ memory: { limit: 100, swap: 100 } }, ...files)['memory.swap.max'], '0');
  assert.deepEqual(written({ memory: { limit: -1 } }, ...files)['memory.max'], 'max');
});

test('cpu: weight from shares, quota and period in one file', () => {
  const files = ['cpu.weight', 'cpu.max', 'cpu.max.burst', 'cpuset.cpus', 'cpuset.mems'];
  const cpu = { shares: 1024, quota: 50_000, period: 100_000, cpus: '0-1', mems: '0' };
  assert.deepEqual(written({ cpu }, ...files), {
    'cpu.weight': '100',
    'cpu.max': '50000 100000',
    'cpu.max.burst': '',
    'cpuset.cpus': '0-1',
    'cpuset.mems': '0',
  });
  assert.equal(written({ cpu: { quota: -1, period: 100_000 } }, ...files)['cpu.max'], 'max 100000');
});

test('an empty request writes nothing', () => {
  assert.deepEqual(written({}, 'memory.max', 'cpu.max', 'pids.max'), { 'memory.max': '', 'cpu.max': '', 'pids.max': '' });
});

test('pids, io and unified', () => {
  const resources: LinuxResources = {
    pids: { limit: -1 },
    blockIO: { weight: 500, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1024 }] },
    unified: { 'memory.high': '4096' },
  };
  assert.deepEqual(written(resources, 'pids.max', 'io.weight', 'io.max', 'memory.high'), {
    'pids.max': 'max',
    'io.weight': '4950',
    'io.max': '8:0 rbps=1024',
    'memory.high': '4096',
  });
  assert.throws(() => written({ unified: { 'a/b': '1' } }), /must be a file name \(no slashes\)/);
  assert.throws(() => written({ unified: { 'nope.max': '1' } }, 'cgroup.controllers'), /can't be set: controller "nope" not available/);
});

test('measurements', () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-cgroup-'));
  const files: Record<string, string> = {
    'cpu.stat': 'usage_usec 7\nuser_usec 5\nsystem_usec 2\nnr_periods 3\nnr_throttled 1\nthrottled_usec 9\n',
    'memory.current': '4096\n',
    'memory.max': 'max\n',
    'memory.events': 'low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\n',
    'memory.stat': 'anon 100\nfile 200\n',
    'io.stat': '8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n',
    'io.pressure': 'some avg10=1.50 avg60=0.00 avg300=0.00 total=77\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=7\n',
    'pids.current': '5\n',
    'pids.max': '10\n',
  };
  try {
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
    const { cpu, memory, pids, io } = statsV2(directory);
    assert.deepEqual([cpu?.usageNs, cpu?.throttledNs, cpu?.periods], [7000, 9000, 3]);
    assert.deepEqual(
      [memory?.usage, memory?.limit, memory?.failures, memory?.oomKills, memory?.stat.file],
      [4096, Number.POSITIVE_INFINITY, 4, 2, 200],
    );
    assert.deepEqual(pids, { current: 5, limit: 10 });
    assert.deepEqual(io?.bytes.slice(0, 2), [
      { major: 8, minor: 0, op: 'Read', value: 1 },
      { major: 8, minor: 0, op: 'Write', value: 2 },
    ]);
    assert.deepEqual(io?.pressure?.full, { avg10: 0.25, avg60: 0, avg300: 0, total: 7 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
