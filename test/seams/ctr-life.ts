// One container's life through ctr: what every pair of lifecycle service, shim and runtime must do alike.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LifecyclePeer } from './peers.ts';

export interface CtrLife {
  /** Flags of `ctr run` that choose shim and runtime. */
  flags: readonly string[];
  rootfs: string;
}

export async function liveThroughCtr(service: LifecyclePeer, { flags, rootfs }: CtrLife): Promise<void> {
  const id = `seam-${randomBytes(6).toString('hex')}`;
  const ok = async (...args: string[]) => {
    const result = await service.ctr(args);
    assert.equal(result.code, 0, `ctr ${args.join(' ')}: ${result.stderr}\n${service.log.split('\n').slice(-12).join('\n')}`);
    return result.stdout;
  };

  // In the foreground: streams, exit code, and nothing left.
  const shell = (script: string) => ['run', '--rm', ...flags, '--rootfs', rootfs, id, '/bin/sh', '-c', script];
  const first = await service.ctr(shell('echo out; echo err >&2; exit 7'));
  assert.deepEqual([first.code, first.stdout], [7, 'out\n'], first.stderr);
  assert.match(first.stderr, /^err$/m);

  const missing = await service.ctr(['run', '--rm', ...flags, '--rootfs', rootfs, id, '/bin/no-such-program']);
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /no such file or directory|executable file not found/);

  // A terminal. ctr sets its size once the task runs.
  const script = '[ -t 1 ] && while [ -z "$(stty size 2>/dev/null)" ]; do sleep 0.02; done; stty size';
  const flagsOfTerminal = ['run', '--rm', '-t', ...flags, '--rootfs', rootfs, id, '/bin/sh', '-c', script];
  using terminal = service.terminal(flagsOfTerminal, { rows: 31, columns: 97 });
  await terminal.see(/31 97/);
  assert.equal(await terminal.exit(), 0);

  // In the background: every verb on a task.
  await ok('run', '-d', ...flags, '--rootfs', rootfs, id, '/bin/sleep', '1000');
  const status = async () => new RegExp(`^${id}\\s+(\\d+)\\s+(\\w+)`, 'm').exec(await ok('task', 'ls'))?.[2];
  assert.equal(await status(), 'RUNNING');
  const exec = await service.ctr(['task', 'exec', '--exec-id', 'e1', id, '/bin/sh', '-c', 'echo inside; exit 5']);
  assert.deepEqual([exec.code, exec.stdout], [5, 'inside\n'], exec.stderr);
  assert.match(await ok('task', 'ps', id), /^\d+/m);
  await ok('task', 'pause', id);
  assert.equal(await status(), 'PAUSED');
  await ok('task', 'resume', id);
  assert.equal(await status(), 'RUNNING');
  assert.match(await ok('task', 'metrics', id), /memory\.usage_in_bytes\s+[1-9]|memory\.usage\s+[1-9]/);
  await ok('task', 'kill', '--signal', 'SIGKILL', id);
  for (let tries = 0; (await status()) !== 'STOPPED'; tries++) {
    assert.ok(tries < 50, 'the task does not stop');
    await sleep(20);
  }
  // 128 + SIGKILL.
  assert.match((await service.ctr(['task', 'rm', id])).stderr, /exit with non-zero exit code 137/);
  await ok('container', 'rm', id);
  assert.equal(await ok('task', 'ls', '-q'), '');
  assert.equal(await ok('container', 'ls', '-q'), '');
}
