// update: limits of a running container, from flags, a file and standard input; what the files of cgroup v1 say then.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Laboratory } from '../runtime/laboratory.ts';
import { conformance } from './suite.ts';

/** A control file of the container's own cgroup. */
function control(id: string, controller: string, file: string): string {
  return readFileSync(`/sys/fs/cgroup/${controller}/${id}/${file}`, 'utf8').trim();
}

function started(laboratory: Laboratory): string {
  return laboratory.background((spec) => {
    if (!spec.linux) return;
    spec.linux.cgroupsPath = `/${laboratory.nextId}`;
    spec.linux.resources = { memory: { limit: 64 << 20 }, pids: { limit: 20 }, cpu: { shares: 512 } };
  });
}

conformance('by flags', (laboratory) => {
  const id = started(laboratory);
  assert.equal(control(id, 'memory', 'memory.limit_in_bytes'), String(64 << 20));
  const flags = ['--memory', String(32 << 20), '--pids-limit', '30', '--cpu-share', '256', '--cpu-period', '50000', '--cpu-quota', '25000'];
  const result = laboratory.runtime(['update', ...flags, id]);
  assert.equal(result.code, 0, result.stderr);
  assert.equal(control(id, 'memory', 'memory.limit_in_bytes'), String(32 << 20));
  assert.equal(control(id, 'pids', 'pids.max'), '30');
  assert.deepEqual(
    ['cpu.shares', 'cpu.cfs_period_us', 'cpu.cfs_quota_us'].map((file) => control(id, 'cpu', file)),
    ['256', '50000', '25000'],
  );
});

conformance(
  'by a document, in a file or on standard input',
  (laboratory) => {
    const id = started(laboratory);
    const file = join(laboratory.directory, 'resources.json');
    writeFileSync(file, JSON.stringify({ pids: { limit: 40 } }));
    assert.equal(laboratory.runtime(['update', '--resources', file, id]).code, 0);
    assert.equal(control(id, 'pids', 'pids.max'), '40');
    const input = JSON.stringify({ pids: { limit: 50 } });
    assert.equal(laboratory.runtime(['update', '--resources', '-', id], { input }).code, 0);
    assert.equal(control(id, 'pids', 'pids.max'), '50');
    // What an update does not name stays.
    assert.equal(control(id, 'memory', 'memory.limit_in_bytes'), String(64 << 20));
  },
  { crun: 'crun 1.8 takes no document from standard input' },
);

conformance('what the kernel refuses is an error', (laboratory) => {
  assert.notEqual(laboratory.runtime(['update', '--cpu-quota', '1', started(laboratory)]).code, 0);
});

conformance(
  'shares of the cache and of memory bandwidth need a processor that has them',
  (laboratory, t) => {
    if (existsSync('/sys/fs/resctrl/info')) return t.diagnostic('this machine has them: packages/runtime/src/resource-director.test.ts');
    const id = started(laboratory);
    assert.match(
      laboratory.runtime(['update', '--l3-cache-schema', 'L3:0=f', id]).stderr,
      /Intel RDT\/CAT: l3 cache schema is not enabled/,
    );
    assert.match(
      laboratory.runtime(['update', '--mem-bw-schema', 'MB:0=20', id]).stderr,
      /Intel RDT\/MBA: memory bandwidth schema is not enabled/,
    );
  },
  { crun: 'crun 1.8 has no such flags' },
);
