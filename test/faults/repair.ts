// What has to hold after a process of the engine was killed, whichever and whenever: every container is listed, removable and truthful
// about its state, a new one runs, and nothing remains of the old.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Berthd, processesOf, zygotesOf } from '../harness/berthd.ts';

const PATIENCE = 10_000;

export type Victim = 'berthd' | 'berth-lifecycle' | 'zygote' | 'shim';

/** Processes of this daemon by the program they are. */
export function victims(daemon: Berthd): Record<Victim, number[]> {
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

/** Waits for the daemon, looks at the container that was being run, removes it, and runs another. */
export async function assertRepaired(daemon: Berthd, name: string): Promise<void> {
  await answers(daemon);
  const state = await truthfulState(daemon, name);
  if (state !== '') {
    const removed = await daemon.docker(['rm', '-f', name]);
    assert.equal(removed.code, 0, `${removed.stderr}\n${daemon.log.slice(-3000)}`);
  }
  const next = await daemon.docker(['run', '--rm', 'busybox', 'echo', 'repaired']);
  assert.deepEqual({ ...next, stderr: '' }, { code: 0, stdout: 'repaired\n', stderr: '' }, `${next.stderr}\n${daemon.log.slice(-3000)}`);
}

/** The container's state, '' when it is gone. That its process has ended is news which may still be on its way from a service that starts. */
async function truthfulState(daemon: Berthd, name: string): Promise<string> {
  for (let waited = 0; ; waited += 100) {
    const state = (await daemon.docker(['inspect', '-f', '{{.State.Status}} {{.State.Pid}}', name])).stdout.trim();
    const [status = '', pid = ''] = state.split(' ');
    if (status === 'running' ? existsSync(`/proc/${pid}`) : /^(created|exited|dead)?$/.test(status)) return state;
    if (waited >= PATIENCE) throw new Error(`${name} claims to be ${status} as ${pid}, which is not so`);
    await sleep(100);
  }
}

/** The daemon supervises the rest; a moment after a kill it may still be on its way back. */
async function answers(daemon: Berthd): Promise<void> {
  for (let waited = 0; waited < PATIENCE; waited += 50) {
    if ((await daemon.docker(['ps', '-q'])).code === 0) return;
    await sleep(50);
  }
  throw new Error(`the daemon does not answer:\n${daemon.log.slice(-3000)}`);
}

/** Container processes, mounts and shims that nothing speaks for any more. */
export function strays(daemon: Berthd): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(daemon.directory));
  const known = [daemon.pid, ...victims(daemon)['berth-lifecycle'], ...zygotesOf(daemon.directory)];
  const processes = processesOf(daemon.directory).filter((line) => !known.includes(Number(line.split(' ')[1])));
  const snapshots = `${daemon.dataRoot}/containers`;
  const directories = existsSync(snapshots) ? readdirSync(snapshots).map((id) => `container directory ${id}`) : [];
  return [...mounts, ...processes, ...directories];
}
