// The shim that the zygote keeps ready: it takes the next request, and may die at any moment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { eventually } from '../harness/eventually.ts';
import { alive, Laboratory, type Shim } from './laboratory.ts';

/** The unassigned children of the laboratory's zygote. */
async function sparesOf(lab: Laboratory): Promise<number[]> {
  const zygote = await lab.zygote.pid();
  return readFileSync(`/proc/${zygote}/task/${zygote}/children`, 'latin1').split(' ').filter(Boolean).map(Number).filter(isSpare);
}

function isSpare(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('berth-spare');
  } catch {
    return false;
  }
}

/** proc_pid_stat(5): minflt. */
function pageFaults(pid: number): number {
  return Number(
    readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')[7],
  );
}

async function spareOf(lab: Laboratory): Promise<number> {
  return eventually(async () => (await sparesOf(lab))[0], 'a spare');
}

test('the spare becomes the next shim, and another one takes its place', async (t) => {
  const lab = await Laboratory.open(t);
  for (let round = 0; round < 3; round++) {
    const spare = await spareOf(lab);
    const shim = await lab.run(`exit ${round}`);
    assert.equal(shim.pid, spare);
    assert.match(readFileSync(`/proc/${spare}/cmdline`, 'latin1'), /^berth-shim test\//);
    assert.equal((await shim.task.wait({ id: shim.id })).exitStatus, round);
  }
  await spareOf(lab);
  assert.equal((await sparesOf(lab)).length, 1, 'there is one at a time');
});

test('requests that come faster than spares are forked for', async (t) => {
  const lab = await Laboratory.open(t);
  const spare = await spareOf(lab);
  const shims = await Promise.all([1, 2, 3, 4].map((status) => lab.run(`exit ${status}`)));
  assert.equal(shims.filter(({ pid }) => pid === spare).length, 1);
  const statuses = await Promise.all(shims.map(async ({ id, task }) => (await task.wait({ id })).exitStatus));
  assert.deepEqual(statuses, [1, 2, 3, 4]);
});

test('a spare that was killed is missed by nobody', async (t) => {
  const lab = await Laboratory.open(t);
  const zygote = await lab.zygote.pid();
  process.kill(await spareOf(lab), 'SIGKILL');
  assert.equal((await (await lab.run('exit 5')).task.wait({ id: lab.shims[0]?.id ?? '' })).exitStatus, 5);
  const another = await spareOf(lab);
  const shim = await lab.run('exit 6');
  assert.equal(shim.pid, another);
  assert.equal(await lab.zygote.pid(), zygote);
});

test('killed with its orders in hand, it leaves them to a fork of its own', async (t) => {
  const lab = await Laboratory.open(t);
  const zygote = await lab.zygote.pid();
  const spare = await spareOf(lab);
  process.kill(spare, 'SIGSTOP');
  const starting = lab.run('exit 7');
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.kill(spare, 'SIGKILL');
  const shim = await starting;
  assert.notEqual(shim.pid, spare);
  assert.equal((await shim.task.wait({ id: shim.id })).exitStatus, 7);
  assert.equal(await lab.zygote.pid(), zygote);
});

test('a spare has its pages before it needs them', async (t) => {
  const lab = await Laboratory.open(t);
  const faults = async (shim: Shim) => {
    const before = pageFaults(shim.pid);
    await lab.create(shim);
    return pageFaults(shim.pid) - before;
  };
  // The first spare may be older than what the zygote has learned.
  await lab.run('exit 0');
  await spareOf(lab);
  const [spares, forked] = await Promise.all([lab.shim('exit 0'), lab.shim('exit 0')]);
  const [few, many] = [await faults(spares), await faults(forked)];
  assert.ok(few < 0.75 * many, `${few} page faults of a spare, ${many} of a fork`);
});

test('without its zygote a spare ends', async (t) => {
  const lab = await Laboratory.open(t);
  const spare = await spareOf(lab);
  const zygote = await lab.zygote.pid();
  assert.ok(zygote);
  process.kill(zygote, 'SIGKILL');
  await eventually(() => !alive(spare), 'the end of the spare');
});
