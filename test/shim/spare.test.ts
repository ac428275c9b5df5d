// The shim that the zygote keeps ready: it takes the next request, and may die at any moment.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
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

/** The init that a spare has forked ahead. */
async function preparedBy(spare: number): Promise<number> {
  return eventually(() => {
    const [child] = readFileSync(`/proc/${spare}/task/${spare}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
    return child !== undefined && readFileSync(`/proc/${child}/cmdline`, 'latin1').startsWith('berth-spare:[init]') ? child : undefined;
  }, 'a prepared init');
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

test('the init that it has forked ahead becomes that of its container', async (t) => {
  const lab = await Laboratory.open(t);
  const prepared = await preparedBy(await spareOf(lab));
  const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  const sockets = descriptors(prepared).filter((name) => name.startsWith('socket:'));
  assert.equal(sockets.length, 1, `its channel and no other socket: ${descriptors(prepared)}`);
  const shim = await lab.run('exit 3');
  assert.equal(alive(prepared), false, 'what it was has ended');
  assert.equal((await shim.task.wait({ id: shim.id })).exitStatus, 3);
  const children = readFileSync(`/proc/${shim.pid}/task/${shim.pid}/children`, 'latin1');
  assert.equal(children, '', 'and was reaped');
});

test('that init may die at any moment, and dies with its spare', async (t) => {
  const lab = await Laboratory.open(t);
  const spare = await spareOf(lab);
  process.kill(await preparedBy(spare), 'SIGKILL');
  const shim = await lab.run('exit 4');
  assert.equal(shim.pid, spare);
  assert.equal((await shim.task.wait({ id: shim.id })).exitStatus, 4);
  const next = await spareOf(lab);
  const prepared = await preparedBy(next);
  process.kill(next, 'SIGKILL');
  await eventually(() => !alive(prepared), 'the end of the prepared init');
});

test('a shim that creates its container without it ends it', async (t) => {
  const lab = await Laboratory.open(t);
  const prepared = await preparedBy(await spareOf(lab));
  const shim = await lab.shim('exit 5', (spec) => {
    if (spec.linux) spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== 'pid');
  });
  await lab.create(shim);
  assert.equal(alive(prepared), false);
  await shim.task.start({ id: shim.id });
  assert.equal((await shim.task.wait({ id: shim.id })).exitStatus, 5);
});

test('programs ignore no signal, whichever way their shim and init came to be', async (t) => {
  const lab = await Laboratory.open(t);
  // Without a shell, which ignores some itself.
  const show = async () => {
    const shim = await lab.shim('', ({ process }) => {
      if (process) process.args = ['/bin/grep', '^Sig', '/proc/self/status'];
    });
    await lab.create(shim);
    await shim.task.start({ id: shim.id });
    await shim.task.wait({ id: shim.id });
    return lab.logged(shim);
  };
  for (const _spare of ['the first', 'the next']) {
    await spareOf(lab);
    for (const shown of await Promise.all([show(), show()])) {
      assert.match(shown, /SigBlk:\s+0{16}\nSigIgn:\s+0{16}\nSigCgt:\s+0{16}\n/);
    }
  }
});

test('without its zygote a spare ends, and with it its prepared init', async (t) => {
  const lab = await Laboratory.open(t);
  const spare = await spareOf(lab);
  const prepared = await preparedBy(spare);
  const zygote = await lab.zygote.pid();
  assert.ok(zygote);
  process.kill(zygote, 'SIGKILL');
  await eventually(() => !alive(spare), 'the end of the spare');
  await eventually(() => !alive(prepared), 'the end of the prepared init');
});
