// The seam between shim and runtime with the real counterpart above it: Debian's containerd and its shim drive berth-runtime.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '../harness/eventually.ts';
import { program, type Result, run } from '../harness/programs.ts';
import { Laboratory, RUNTIME } from './laboratory.ts';

/** Also the name of the cgroup above the containers', which nobody but us removes. */
const NAMESPACE = `berth-ctr-${process.pid}`;

class Containerd {
  readonly #socket: string;
  readonly #rootfs: string;
  readonly #process: ChildProcess;

  private constructor(laboratory: Laboratory) {
    this.#socket = join(laboratory.directory, 'c.sock');
    this.#rootfs = join(laboratory.bundle('true'), 'rootfs');
    const config = join(laboratory.directory, 'config.toml');
    writeFileSync(
      config,
      `version = 2
root = "${laboratory.directory}/root"
state = "${laboratory.directory}/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${this.#socket}"
`,
    );
    this.#process = spawn(program('containerd'), ['-c', config], { stdio: 'ignore' });
  }

  static async start(t: TestContext): Promise<Containerd> {
    const laboratory = new Laboratory();
    const containerd = new Containerd(laboratory);
    t.after(async () => {
      for (const id of (await containerd.ctr('task', 'ls', '-q')).stdout.split('\n').filter(Boolean)) {
        await containerd.ctr('task', 'rm', '--force', id);
      }
      containerd.#process.kill('SIGKILL');
      laboratory.close();
      for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
        const cgroup = join('/sys/fs/cgroup', hierarchy, NAMESPACE);
        if (existsSync(cgroup)) rmdirSync(cgroup);
      }
    });
    await eventually(() => existsSync(containerd.#socket));
    return containerd;
  }

  ctr(...args: string[]): Promise<Result> {
    return run(program('ctr'), ['--address', this.#socket, '--namespace', NAMESPACE, ...args]);
  }

  run(flags: string[], id: string, ...command: string[]): Promise<Result> {
    return this.ctr('run', ...flags, '--rootfs', '--runc-binary', RUNTIME, this.#rootfs, id, ...command);
  }
}

test('containerd runs, inspects and kills containers through this runtime', async (t) => {
  const containerd = await Containerd.start(t);
  const name = `berth-ctr-${process.pid}`;
  const first = await containerd.run(['--rm'], `${name}-a`, '/bin/sh', '-c', 'echo ahoy; exit 5');
  assert.deepEqual([first.code, first.stdout], [5, 'ahoy\n'], first.stderr);

  const missing = await containerd.run(['--rm'], `${name}-b`, '/bin/nonsense');
  assert.match(missing.stderr, /OCI runtime create failed: .*exec: "\/bin\/nonsense": stat \/bin\/nonsense: no such file or directory/);

  const id = `${name}-c`;
  assert.equal((await containerd.run(['-d'], id, '/bin/sleep', '1000')).code, 0);
  assert.equal((await containerd.ctr('task', 'exec', '--exec-id', 'x', id, '/bin/sh', '-c', 'echo inside; exit 0')).stdout, 'inside\n');
  await containerd.ctr('task', 'pause', id);
  assert.match((await containerd.ctr('task', 'ls')).stdout, new RegExp(`${id}\\s+\\d+\\s+PAUSED`));
  await containerd.ctr('task', 'resume', id);
  await containerd.ctr('task', 'kill', '-s', 'SIGKILL', id);
  for (let attempt = 0; attempt < 50 && !/STOPPED/.test((await containerd.ctr('task', 'ls')).stdout); attempt++);
  assert.equal((await containerd.ctr('task', 'rm', id)).code, 0);
  assert.equal((await containerd.ctr('container', 'rm', id)).code, 0);
});
