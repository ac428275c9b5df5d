// Any process of the engine dies by SIGKILL at a random moment of a run. Whatever starts next must repair what is left: every container is
// listed, removable and truthful about its state, a new one runs, and in the end nothing remains.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Berthd, processesOf, zygotesOf } from '../harness/berthd.ts';

const ROUNDS = Number(process.env.BERTH_FAULT_ROUNDS ?? 6);

/** Processes of this daemon by the program they are. */
function victims(daemon: Berthd): Record<'berthd' | 'berth-lifecycle' | 'zygote' | 'shim', number[]> {
  const lines = processesOf(daemon.directory).map((line) => ({ pid: Number(line.split(' ')[1]), command: line }));
  const pick = (wanted: RegExp) => lines.filter(({ command }) => wanted.test(command)).map(({ pid }) => pid);
  return {
    berthd: [daemon.pid],
    'berth-lifecycle': pick(/berth-lifecycle/),
    zygote: zygotesOf(daemon.directory),
    shim: pick(/berth-shim/).filter((pid) => !isInit(pid)),
  };
}

/** A container's first process before it executes its program: it still has the shim's command line. */
function isInit(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'berth:[init]\n';
  } catch {
    return false;
  }
}

describe('SIGKILL at any moment of a run', () => {
  let daemon: Berthd;
  before(async () => {
    daemon = await Berthd.start();
    await daemon.importBusybox();
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
  });

  for (const victim of ['berthd', 'berth-lifecycle', 'zygote', 'shim'] as const) {
    test(`${victim}: ${ROUNDS} moments`, async () => {
      await daemon.docker(['run', '-d', '--name', `witness-${victim}`, 'busybox', 'sleep', '600']);
      const { stdout: pid } = await daemon.docker(['inspect', '-f', '{{.State.Pid}}', `witness-${victim}`]);
      for (let round = 0; round < ROUNDS; round++) await oneRound(daemon, victim, round);
      // A container that had nothing to do with it lives on, unless it was its own shim that died.
      if (victim !== 'shim') {
        assert.ok(existsSync(`/proc/${pid.trim()}`), 'the witness is alive');
        assert.equal((await daemon.docker(['exec', `witness-${victim}`, 'echo', 'here'])).stdout, 'here\n', daemon.log.slice(-3000));
      }
      assert.equal((await daemon.docker(['rm', '-f', `witness-${victim}`])).code, 0);
    });
  }

  test('nothing is left of any of it', async () => {
    await daemon.docker(['run', '--rm', 'busybox', 'true']);
    assert.equal((await daemon.docker(['ps', '-aq'])).stdout, '');
    for (let waited = 0; waited < 3000 && strays(daemon).length > 0; waited += 50) await sleep(50);
    assert.deepEqual(strays(daemon), []);
  });
});

async function oneRound(daemon: Berthd, victim: keyof ReturnType<typeof victims>, round: number): Promise<void> {
  const name = `round-${victim}-${round}`;
  const running = daemon.docker(['run', '--name', name, 'busybox', 'sh', '-c', 'echo started; sleep 0.05; exit 3'], { timeout: 20_000 });
  await sleep(Math.random() * 120);
  for (const pid of victims(daemon)[victim]) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  if (victim === 'berthd') {
    await daemon.kill();
    await daemon.launch();
  }
  await running;
  await answers(daemon);
  const { stdout: state } = await daemon.docker(['inspect', '-f', '{{.State.Status}} {{.State.Pid}}', name]);
  if (state.trim() !== '') {
    const [status, pid] = state.trim().split(' ');
    if (status === 'running') assert.ok(existsSync(`/proc/${pid}`), `${name} claims to run as ${pid}, which is gone`);
    else assert.match(status ?? '', /^(created|exited|dead)$/);
    const removed = await daemon.docker(['rm', '-f', name]);
    assert.equal(removed.code, 0, `${removed.stderr}\n${daemon.log.slice(-3000)}`);
  }
  const next = await daemon.docker(['run', '--rm', 'busybox', 'echo', 'repaired']);
  assert.deepEqual({ ...next, stderr: '' }, { code: 0, stdout: 'repaired\n', stderr: '' }, `${next.stderr}\n${daemon.log.slice(-3000)}`);
}

/** The daemon supervises the rest; a moment after a kill it may still be on its way back. */
async function answers(daemon: Berthd): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 50) {
    if ((await daemon.docker(['ps', '-q'])).code === 0) return;
    await sleep(50);
  }
  throw new Error(`the daemon does not answer:\n${daemon.log.slice(-3000)}`);
}

/** Container processes, mounts and shims that nothing speaks for any more. */
function strays(daemon: Berthd): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(daemon.directory));
  const known = [daemon.pid, ...victims(daemon)['berth-lifecycle'], ...zygotesOf(daemon.directory)];
  const processes = processesOf(daemon.directory).filter((line) => !known.includes(Number(line.split(' ')[1])));
  const snapshots = `${daemon.dataRoot}/containers`;
  const directories = existsSync(snapshots) ? readdirSync(snapshots).map((id) => `container directory ${id}`) : [];
  return [...mounts, ...processes, ...directories];
}
