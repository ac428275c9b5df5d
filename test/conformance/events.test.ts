// events --stats: one line of JSON with what the container uses.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { eventually } from '../harness/eventually.ts';
import { conformance } from './suite.ts';

conformance(
  'memory, processes and processor time',
  async (laboratory) => {
    const id = laboratory.background((spec) => {
      if (spec.linux) spec.linux.resources = { memory: { limit: 64 << 20 }, pids: { limit: 20 } };
    });
    // Until it executes its program runc's init has threads, each of which counts.
    await eventually(() => readFileSync(`/proc/${laboratory.state(id).pid}/comm`, 'utf8') === 'sleep\n');
    const result = laboratory.runtime(['events', '--stats', id]);
    const { type, id: of, data } = JSON.parse(result.stdout);
    assert.deepEqual([type, of], ['stats', id]);
    assert.deepEqual([data.memory.usage.limit, data.pids.limit, data.pids.current], [64 << 20, 20, 1]);
    assert.ok(data.memory.usage.usage > 0 && data.cpu.usage.total > 0);
  },
  { crun: 'crun has no events' },
);

conformance(
  'of a container that is not there',
  (laboratory) => assert.match(laboratory.runtime(['events', '--stats', 'nobody']).stderr, /does not exist/),
  { crun: 'crun has no events' },
);
