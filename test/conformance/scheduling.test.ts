// How a process is scheduled (config.md "Linux Process": scheduler, ioPriority, oomScoreAdj).
import assert from 'node:assert/strict';
import type { Process } from '@berth/oci/runtime-spec';
import type { Laboratory } from '../runtime/laboratory.ts';
import { conformance } from './suite.ts';

function withProcess(laboratory: Laboratory, script: string, change: Partial<Process>) {
  return laboratory.run(script, (spec) => {
    Object.assign(spec.process ?? {}, change);
  });
}

conformance('the OOM score', (laboratory) => {
  assert.equal(withProcess(laboratory, 'cat /proc/self/oom_score_adj', { oomScoreAdj: 321 }).stdout, '321\n');
});

const SINCE_1_1 = {
  runc: 'runc 1.1 does not know the field, which came with runtime-spec 1.1',
  crun: 'crun 1.8 does not know the field',
};

conformance(
  'a scheduling policy and its nice value',
  (laboratory) => {
    const result = withProcess(laboratory, 'cut -d" " -f19,41 /proc/self/stat', { scheduler: { policy: 'SCHED_BATCH', nice: 7 } });
    // Fields 19 and 41 of proc(5): nice and policy, SCHED_BATCH being 3.
    assert.equal(result.stdout, '7 3\n', result.stderr);
  },
  SINCE_1_1,
);

conformance(
  'the priority of input and output',
  (laboratory) => {
    const result = withProcess(laboratory, 'ionice', { ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 3 } });
    assert.match(result.stdout, /best-effort: prio 3/, result.stderr);
  },
  SINCE_1_1,
);

conformance(
  'a policy that is none is refused',
  (laboratory) => {
    assert.notEqual(withProcess(laboratory, 'true', { scheduler: { policy: 'SCHED_LUCK' } }).code, 0);
  },
  SINCE_1_1,
);
