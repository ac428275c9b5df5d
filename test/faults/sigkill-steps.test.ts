// Each process of the engine dies by SIGKILL before one system call after the other that it makes during a run, from the request to
// the container's removal: every step that changes something, of the daemon, the lifecycle service, the zygote, the shim and the
// container's init. Whatever starts next repairs what is left.
//
// `npm test` takes a few of the steps of each; the whole series is BERTH_KILL_STEPS=1 npm test sigkill-steps, a part of it
// BERTH_KILL_VICTIM=shim BERTH_KILL_FROM=20 BERTH_KILL_TO=40.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Berthd } from '../harness/berthd.ts';
import { type Step, Supervisor } from '../harness/supervised.ts';
import { assertRepaired, strays, type Victim } from './repair.ts';

/** Steps between two kills; 0: three of each process. */
const EVERY = Number(process.env.BERTH_KILL_STEPS ?? 0);
const FROM = Number(process.env.BERTH_KILL_FROM ?? 1);
const TO = Number(process.env.BERTH_KILL_TO ?? Number.POSITIVE_INFINITY);
const SAMPLES = 3;

/** sendmsg is left out: the supervisor's own descriptor comes by it. */
const STEPS = [
  ...['mkdir', 'mkdirat', 'rename', 'renameat2', 'unlink', 'unlinkat', 'rmdir', 'symlinkat', 'linkat', 'write', 'writev', 'pwrite64'],
  ...[
    'ftruncate',
    'fsync',
    'fdatasync',
    'connect',
    'bind',
    'sendto',
    'clone',
    'clone3',
    'fork',
    'vfork',
    'execve',
    'exit_group',
    'kill',
    'wait4',
  ],
  ...['unshare', 'setns', 'mount', 'umount2', 'move_mount', 'open_tree', 'mount_setattr', 'pivot_root', 'sethostname', 'mknodat'],
];

type Killed = Victim | 'init';
const VICTIMS: readonly Killed[] = ['berthd', 'berth-lifecycle', 'zygote', 'shim', 'init'];

let daemon: Berthd;
let supervisor: Supervisor;
let serial = 0;

before(async () => {
  const first = await Berthd.start();
  const { directory } = first;
  await first.importBusybox();
  await first.stop();
  // It sees the processes that are started through it.
  supervisor = new Supervisor(directory, STEPS);
  daemon = await Berthd.start({ directory, supervisor });
});
after(async () => {
  supervisor.onStep = () => {};
  await daemon?.[Symbol.asyncDispose]();
});

describe(`SIGKILL at every ${EVERY || 'few'}. step of a run`, () => {
  for (const victim of VICTIMS.filter((one) => (process.env.BERTH_KILL_VICTIM ?? one) === one)) {
    test(victim, async (t) => {
      const whole = await runAndKill(victim, Number.POSITIVE_INFINITY);
      assert.ok(whole.seen > 0, 'no step was seen');
      const every = EVERY || Math.ceil(whole.seen / SAMPLES);
      let kills = 0;
      for (let at = FROM; at <= Math.min(whole.seen, TO); at += every) if ((await runAndKill(victim, at)).killed) kills++;
      t.diagnostic(`${whole.seen} steps, killed at ${kills}`);
    });
  }
});

/** One run, whose `victim` dies before its step `at`. */
async function runAndKill(victim: Killed, at: number): Promise<{ seen: number; killed: Step | undefined }> {
  const name = `step-${++serial}`;
  let seen = 0;
  let killed: Step | undefined;
  supervisor.onStep = (step) => {
    if (killed || programOf(step.pid) !== victim || ++seen < at) return;
    killed = step;
    process.kill(step.pid, 'SIGKILL');
  };
  const flags = ['--name', name, '-v', `${name}:/data`, '-p', '127.0.0.1::80', '--memory', '64m'];
  await daemon.docker(['run', ...flags, 'busybox', 'sh', '-c', 'echo started; exit 3'], { timeout: 20_000 });
  await daemon.docker(['rm', '-f', name], { timeout: 20_000 });
  supervisor.onStep = () => {};
  const where = `${victim} before step ${at}, ${killed?.name}`;
  try {
    if (killed && victim === 'berthd') {
      await daemon.kill();
      await daemon.launch();
    }
    await assertRepaired(daemon, name);
    await daemon.docker(['volume', 'rm', '-f', name]);
    for (let waited = 0; waited < 3000 && strays(daemon).length > 0; waited += 50) await sleep(50);
    assert.deepEqual(strays(daemon), []);
    assert.equal((await daemon.docker(['ps', '-aq'])).stdout, '');
    assert.equal((await daemon.docker(['volume', 'ls', '-q'])).stdout, '');
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
  }
  return { seen, killed };
}

/** Which of the engine's programs a process is. What a shim has forked is init, with the shim's title until it executes the program. */
function programOf(pid: number): Killed | undefined {
  try {
    const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '0';
    if (parent !== '0' && titleOf(parent).startsWith('berth-shim')) return 'init';
    const title = titleOf(pid);
    if (title.startsWith('berth-shim')) return 'shim';
    if (title.startsWith('berth-zygote')) return 'zygote';
    return title.includes('berth-lifecycle.js') ? 'berth-lifecycle' : title.includes('berthd.js') ? 'berthd' : undefined;
  } catch {
    return undefined;
  }
}

function titleOf(pid: number | string): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
}
