// What a shim holds after many execs, as a health check makes them for months.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Laboratory } from './laboratory.ts';

/** Of so many execs, uncollected, 8 MB would be left. */
const EXECS = 300;
const ROOM = 4;

test('a shim does not grow by its execs', async (t) => {
  const lab = await Laboratory.open(t);
  assert.equal(lab.zygote.forking, true, lab.messages.join('\n'));
  const { id, bundle, task, pid } = await lab.run('sleep 100');
  const value = Buffer.from(JSON.stringify(lab.process('true')));
  const spec = { typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Process', value };
  let serial = 0;
  const exec = async () => {
    const execId = `e${serial++}`;
    const stdout = `attach://${bundle}/${execId}.sock`;
    await task.exec({ id, execId, stdout, stderr: stdout, spec });
    const waiting = task.wait({ id, execId });
    await task.start({ id, execId });
    await waiting;
    await task.delete({ id, execId });
  };
  const execs = async (count: number) => {
    for (let n = 0; n < count; n += 10) await Promise.all(Array.from({ length: 10 }, exec));
  };
  // The first collection writes to pages that were the zygote's.
  await execs(60);
  await sleep(1_500);
  const before = privateMemory(pid);
  await execs(EXECS);
  let after = privateMemory(pid);
  for (let waited = 0; waited < 5_000 && after > before + ROOM; waited += 100) {
    await sleep(100);
    after = privateMemory(pid);
  }
  assert.ok(after <= before + ROOM, `${before} MB before, ${after} MB after`);
});

/** Megabytes that the process shares with nobody. */
function privateMemory(pid: number): number {
  return Number(/^Private_Dirty:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
}
