// A place for bundles: a throw-away directory, a busybox root file system, an own state root, and the runtime's command line.
// RUNTIME=/usr/sbin/runc runs the same tests against another runtime: a test that fails there too is wrong.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Spec } from '@berth/oci/runtime-spec';
import type { ContainerState } from '@berth/runtime/container-options';
import { exampleSpec } from '@berth/runtime/example-spec';
import { program, type Result, ROOT } from '../harness/programs.ts';

export const RUNTIME = process.env.RUNTIME ?? join(ROOT, 'bin', 'berth-runtime');
/** Where the two differ by design, a test says so. */
export const IS_BERTH = basename(RUNTIME) === 'berth-runtime';

const APPLETS = [
  'sh',
  'true',
  'false',
  'echo',
  'cat',
  'ls',
  'id',
  'ps',
  'mount',
  'sleep',
  'hostname',
  'sed',
  'grep',
  'ip',
  'stat',
  'touch',
  'mkdir',
  'head',
  'env',
  'pwd',
  'tty',
  'stty',
  'kill',
  'readlink',
  'sysctl',
  'dd',
  'rm',
  'umask',
  'wc',
  'mknod',
  'chroot',
  'nc',
  'test',
  'seq',
  'sync',
  'cut',
  'uname',
  'ionice',
  'usleep',
];

export class Laboratory {
  readonly directory = mkdtempSync('/tmp/berth-runtime-');
  readonly root = join(this.directory, 'state');
  /** The runtime's program. */
  command: string;
  readonly #ids: string[] = [];

  constructor(command = RUNTIME) {
    this.command = command;
  }

  /** From here on the runtime is called by a shell script, which has its path in $RUNTIME. */
  wrap(script: string): void {
    const path = join(this.directory, 'runtime');
    writeFileSync(path, `#!/bin/sh\nRUNTIME=${this.command}\n${script}\n`, { mode: 0o755 });
    this.command = path;
  }

  static open(t: TestContext): Laboratory {
    const laboratory = new Laboratory();
    t.after(() => laboratory.close());
    return laboratory;
  }

  /** A bundle whose process runs `script` in busybox's shell. */
  bundle(script: string, change: (spec: Spec) => void = () => {}): string {
    const bundle = mkdtempSync(join(this.directory, 'bundle-'));
    const rootfs = join(bundle, 'rootfs');
    for (const name of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp']) mkdirSync(join(rootfs, name), { recursive: true });
    copyFileSync(program('busybox') === 'busybox' ? '/bin/busybox' : program('busybox'), join(rootfs, 'bin/busybox'));
    for (const applet of APPLETS) symlinkSync('busybox', join(rootfs, 'bin', applet));
    writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nsailor:x:1000:1000:sailor:/tmp:/bin/sh\n');
    const spec = exampleSpec();
    spec.ociVersion = '1.0.2';
    if (spec.process) {
      spec.process.terminal = false;
      spec.process.args = ['/bin/sh', '-c', script];
      spec.process.noNewPrivileges = false;
    }
    if (spec.root) spec.root.readonly = false;
    change(spec);
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
    return bundle;
  }

  /** What id() will give next: for a configuration that has to name it. */
  get nextId(): string {
    return `${basename(this.directory)}-${this.#ids.length}`;
  }

  id(): string {
    const id = this.nextId;
    this.#ids.push(id);
    return id;
  }

  /** Runs the runtime to its end. */
  runtime(args: readonly string[], options: { input?: string; cwd?: string; env?: NodeJS.ProcessEnv } = {}): Result {
    // A container in the background keeps our pipes open: it gets files.
    const outFile = join(this.directory, 'out');
    const errFile = join(this.directory, 'err');
    const result = spawnSync(this.command, ['--root', this.root, ...args], {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', openSync(outFile, 'w'), openSync(errFile, 'w')],
      input: options.input,
      cwd: options.cwd ?? this.directory,
      env: { ...process.env, ...options.env },
      timeout: 30_000,
    });
    return { code: result.status ?? -1, stdout: readFileSync(outFile, 'utf8'), stderr: readFileSync(errFile, 'utf8') };
  }

  /** A shell that has the runtime's path as $0. */
  shell(script: string): Result {
    const result = spawnSync('/bin/sh', ['-c', script, this.command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
      timeout: 30_000,
    });
    return { code: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
  }

  /** `run` of a script in the foreground. */
  run(script: string, change?: (spec: Spec) => void): Result {
    return this.runtime(['run', '--bundle', this.bundle(script, change), this.id()]);
  }

  /** A container that runs in the background until it is killed. */
  background(change?: (spec: Spec) => void, script = 'sleep 1000'): string {
    const bundle = this.bundle(script, change);
    const id = this.id();
    const result = this.runtime(['run', '--detach', '--bundle', bundle, id]);
    if (result.code !== 0) throw new Error(`run --detach: ${result.stderr}`);
    return id;
  }

  state(id: string): ContainerState {
    return JSON.parse(this.runtime(['state', id]).stdout) as ContainerState;
  }

  /** Of a container with a bundle of ours; what `state` says of it differs. */
  rootfs(id: string): string {
    return join(this.state(id).bundle, 'rootfs');
  }

  close(): void {
    for (const id of this.#ids) this.runtime(['delete', '--force', id]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
