// berth-runtime checkpoint and restore: what ran goes on where it stood, in another container, later, or not at all.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, readdirSync, readFileSync, readSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Spec } from '@berth/oci/runtime-spec';
import { acceptUnix, listenUnix, receiveWithFds } from '@berth/sys/fd-passing';
import { CRIU, criuMissing } from '../harness/criu.ts';
import { eventually } from '../harness/eventually.ts';
import type { Result } from '../harness/programs.ts';
import { IS_BERTH, Laboratory, RUNTIME } from './laboratory.ts';

/** Counts into a file of its own: nothing of it is outside. */
const COUNT = 'exec >/count 2>&1 </dev/null; i=0; while true; do i=$((i+1)); echo $i; usleep 20000; done';

class Harbour {
  readonly laboratory: Laboratory;
  readonly images: string;
  readonly work: string;

  constructor(t: TestContext) {
    this.laboratory = Laboratory.open(t);
    this.images = join(this.laboratory.directory, 'images');
    this.work = join(this.laboratory.directory, 'work');
  }

  /** A container that counts, once it does; its bundle. */
  async counting(id: string, change?: (spec: Spec) => void): Promise<string> {
    const bundle = this.laboratory.bundle(COUNT, change);
    const run = this.laboratory.runtime(['run', '--detach', '--bundle', bundle, id]);
    assert.equal(run.code, 0, run.stderr);
    await eventually(() => counted(bundle).length > 3);
    return bundle;
  }

  checkpoint(id: string, ...flags: string[]): Result {
    return this.#criu('checkpoint', [...flags, id]);
  }

  restore(id: string, bundle: string, ...flags: string[]): Result {
    return this.#criu('restore', ['--detach', '--bundle', bundle, ...flags, id]);
  }

  #criu(verb: string, words: readonly string[]): Result {
    return this.laboratory.runtime(['--criu', CRIU, verb, '--image-path', this.images, '--work-path', this.work, ...words], {
      env: { PATH: `${join(CRIU, '..')}:${process.env.PATH}` },
    });
  }
}

function counted(bundle: string): number[] {
  const path = join(bundle, 'rootfs/count');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(Number) : [];
}

/** Nothing was left out, and nothing came twice. */
function assertCount(numbers: readonly number[]): void {
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => index + 1),
  );
}

function ok(result: Result): void {
  assert.equal(result.code, 0, result.stderr);
}

describe('checkpoint and restore', { skip: criuMissing() }, () => {
  test('a program goes on where it stood; in between there is no container', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    const bundle = await harbour.counting(id, (spec) => {
      if (spec.root) spec.root.readonly = false;
      spec.mounts = [
        ...(spec.mounts ?? []),
        { destination: '/outside', type: 'bind', source: laboratory.directory, options: ['rbind', 'ro', 'nosuid'] },
      ];
    });
    const before = mountsOf(laboratory.state(id).pid);
    ok(harbour.checkpoint(id));
    assert.match(laboratory.runtime(['state', id]).stderr, /does not exist/);
    const stood = counted(bundle).length;
    ok(harbour.restore(id, bundle));
    await eventually(() => counted(bundle).length > stood + 3);
    assertCount(counted(bundle));
    const { status, pid } = laboratory.state(id);
    assert.equal(status, 'running');
    assert.deepEqual(mountsOf(pid), before);
    assert.deepEqual(laboratory.runtime(['exec', id, 'hostname']), { code: 0, stdout: 'berth\n', stderr: '' });
    // Its clock went on too, so that it does not see time jump; what is executed now is on the same clock.
    const exec = laboratory.runtime(['exec', id, 'readlink', '/proc/1/ns/time', '/proc/self/ns/time']);
    assert.equal(new Set(exec.stdout.trim().split('\n')).size, 1, exec.stdout);
    // runc leaves it down.
    if (IS_BERTH) assert.match(laboratory.runtime(['exec', id, 'ip', 'address', 'show', 'lo']).stdout, /127\.0\.0\.1/);
  });

  test('a read-only root is read-only again', { skip: !IS_BERTH && "runc's is writable after a restore" }, async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    const readOnly = (spec: Spec) => {
      if (spec.root) spec.root.readonly = true;
    };
    const script = 'exec >/dev/null 2>&1 </dev/null; sleep 1000';
    const bundle = laboratory.bundle(script, readOnly);
    ok(laboratory.runtime(['run', '--detach', '--bundle', bundle, id]));
    await eventually(() => laboratory.runtime(['exec', id, 'readlink', '/proc/1/fd/1']).stdout === '/dev/null\n');
    ok(harbour.checkpoint(id));
    ok(harbour.restore(id, bundle));
    assert.match(laboratory.runtime(['exec', id, 'touch', '/x']).stderr, /Read-only file system/);
  });

  test('standard streams are those of the restore', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    const bundle = laboratory.bundle('while read line; do echo "got $line"; done; echo end; exit 7');
    const first = new Piped(laboratory, ['run', '--bundle', bundle, id]);
    first.write('one\n');
    await eventually(() => first.output() === 'got one\n');
    ok(harbour.checkpoint(id));
    first.end();
    await first.ended;
    const places = ['--image-path', harbour.images, '--work-path', harbour.work];
    const second = new Piped(laboratory, ['--criu', CRIU, 'restore', '--bundle', bundle, ...places, id]);
    second.write('two\n');
    await eventually(() => second.output() === 'got two\n');
    second.end();
    assert.equal(await second.ended, 7);
    assert.equal(second.output(), 'got two\nend\n');
    assert.match(laboratory.runtime(['state', id]).stderr, /does not exist/);
  });

  test('a terminal is a new one, with what was typed before', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const path = join(laboratory.directory, 'console.sock');
    const socket = listenUnix(path);
    t.after(() => closeSync(socket));
    const id = laboratory.id();
    const bundle = laboratory.bundle('read a; read b; echo "$a and $b"; stty size', (spec) => {
      if (spec.process) spec.process.terminal = true;
      if (spec.process) spec.process.consoleSize = { height: 41, width: 97 };
    });
    ok(laboratory.runtime(['run', '--detach', '--bundle', bundle, '--console-socket', path, id]));
    const first = masterFrom(socket);
    writeSync(first, 'salt\n');
    await eventually(() => read(first).includes('salt'));
    ok(harbour.checkpoint(id));
    closeSync(first);
    ok(harbour.restore(id, bundle, '--console-socket', path));
    const second = masterFrom(socket);
    writeSync(second, 'water\n');
    let screen = '';
    await eventually(() => {
      screen += read(second);
      return screen.includes('41 97');
    });
    assert.match(screen, /salt and water/);
    closeSync(second);
  });

  test('--leave-running: the container goes on, and others begin at the checkpoint', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    // What it counts is in its memory, and told when asked.
    const script = 'exec >/dev/null 2>&1 </dev/null; i=0; trap "echo \\$i >/told" USR1; while true; do i=$((i+1)); usleep 20000; done';
    const bundle = laboratory.bundle(script);
    const ask = async (who: string) => {
      const told = join(bundle, 'rootfs/told');
      rmSync(told, { force: true });
      await eventually(() => {
        laboratory.runtime(['kill', who, 'USR1']);
        return existsSync(told) && readFileSync(told, 'utf8').endsWith('\n');
      });
      return Number(readFileSync(told, 'utf8'));
    };
    ok(laboratory.runtime(['run', '--detach', '--bundle', bundle, id]));
    await eventually(() => laboratory.runtime(['exec', id, 'readlink', '/proc/1/fd/1']).stdout === '/dev/null\n');
    const before = await ask(id);
    ok(harbour.checkpoint(id, '--leave-running'));
    const after = await ask(id);
    assert.ok(after > before, `${after} > ${before}`);
    await setTimeout(1000);
    const later = await ask(id);
    const second = laboratory.id();
    ok(harbour.restore(second, bundle, '--manage-cgroups-mode', 'ignore'));
    const restored = await ask(second);
    assert.ok(restored > before && restored < later, `${before} < ${restored} < ${later}`);
    for (const each of [id, second]) assert.equal(laboratory.state(each).status, 'running');
  });

  test('a TCP connection is saved when that is asked for, and comes back open or closed', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    // One end talks to the other, by way of the container's own loopback; what arrives is counted.
    const talk =
      'exec >/dev/null 2>&1 </dev/null; sleep 1000 | nc -l -p 9000 >/count & sleep 1; while echo on; do usleep 20000; done | nc 127.0.0.1 9000; sleep 999';
    const bundle = laboratory.bundle(talk);
    ok(laboratory.runtime(['run', '--detach', '--bundle', bundle, id]));
    const arrived = () => (existsSync(join(bundle, 'rootfs/count')) ? statSync(join(bundle, 'rootfs/count')).size : 0);
    await eventually(() => arrived() > 30);
    assert.match(harbour.checkpoint(id).stderr, /tcp-established/);
    ok(harbour.checkpoint(id, '--tcp-established'));
    const before = arrived();
    const closed = laboratory.id();
    ok(harbour.restore(closed, bundle, '--tcp-close'));
    // Whoever writes into a closed socket ends, and the shell goes on to what comes behind.
    await eventually(() => laboratory.runtime(['exec', closed, 'ps']).stdout.includes('sleep 999'));
    laboratory.runtime(['delete', '--force', closed]);
    const open = laboratory.id();
    ok(harbour.restore(open, bundle, '--tcp-established'));
    await eventually(() => arrived() > before + 30);
  });

  test('a failure names the reason of criu, and the container goes on', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    // An outside file is open: criu cannot give it back.
    const bundle = laboratory.bundle('i=0; while true; do i=$((i+1)); echo $i >>/count; usleep 20000; done');
    ok(laboratory.runtime(['run', '--detach', '--bundle', bundle, id]));
    await eventually(() => existsSync(join(bundle, 'rootfs/count')));
    const failed = harbour.checkpoint(id);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /criu failed/);
    if (IS_BERTH) assert.match(failed.stderr, /Can't lookup mount=.*log file: .*work\/dump\.log/);
    const stood = counted(bundle).length;
    await eventually(() => counted(bundle).length > stood + 3);
    assert.equal(laboratory.state(id).status, 'running');
  });

  test('a restore that fails leaves nothing', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    const bundle = await harbour.counting(id);
    ok(harbour.checkpoint(id));
    // The program's file is gone, and with it what it had open.
    rmSync(join(bundle, 'rootfs/count'));
    const failed = harbour.restore(id, bundle);
    assert.equal(failed.code, 1);
    if (IS_BERTH) assert.match(failed.stderr, /criu failed: .*count.*log file: .*restore\.log/);
    assert.match(laboratory.runtime(['state', id]).stderr, /does not exist/);
    assert.deepEqual(existsSync(laboratory.root) ? readdirSync(laboratory.root).filter((name) => !name.startsWith('@')) : [], []);
    assert.equal(existsSync(`/sys/fs/cgroup/memory/${id}`) || existsSync(`/sys/fs/cgroup/${id}`), false);
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(laboratory.directory));
  });

  test('hooks of the runtime run at a restore, in its namespaces', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    const seen = join(laboratory.directory, 'hook');
    const bundle = await harbour.counting(id, (spec) => {
      spec.hooks = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', `cat >>${seen}; echo >>${seen}`] }] };
    });
    ok(harbour.checkpoint(id));
    ok(harbour.restore(id, bundle));
    const states = readFileSync(seen, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(states.length, 2);
    assert.equal(states[1].pid, laboratory.state(id).pid);
    // A hook that fails ends the restore.
    ok(harbour.checkpoint(id));
    const config = join(bundle, 'config.json');
    const spec = JSON.parse(readFileSync(config, 'utf8')) as Spec;
    spec.hooks = { createRuntime: [{ path: '/bin/false' }] };
    writeFileSync(config, JSON.stringify(spec));
    assert.match(harbour.restore(id, bundle).stderr, /error running hook|error running createRuntime hook/);
    assert.match(laboratory.runtime(['state', id]).stderr, /does not exist/);
  });

  test('an earlier checkpoint is named relative to the images, and must be there', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    await harbour.counting(id);
    assert.match(harbour.checkpoint(id, '--parent-path', laboratory.directory).stderr, /--parent-path must be relative/);
    assert.match(harbour.checkpoint(id, '--parent-path', '../nothing').stderr, /invalid --parent-path/);
    assert.match(harbour.checkpoint(id, '--page-server', 'nowhere').stderr, /Use --page-server ADDRESS:PORT/);
    assert.match(harbour.checkpoint(id, '--empty-ns', 'pid').stderr, /namespace .*pid.* is not supported/);
    assert.match(harbour.checkpoint(id, '--manage-cgroups-mode', 'odd').stderr, /[Ii]nvalid manage.cgroups.mode/);
    assert.equal(laboratory.state(id).status, 'running');
  });

  test('what has not started, or has ended, cannot be saved', (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const id = laboratory.id();
    ok(laboratory.runtime(['create', '--bundle', laboratory.bundle('true'), id]));
    assert.match(harbour.checkpoint(id).stderr, /Container cannot be checkpointed in created state/);
  });

  test('a network namespace from outside is joined again', async (t) => {
    const harbour = new Harbour(t);
    const { laboratory } = harbour;
    const holder = laboratory.background();
    const network = `/proc/${laboratory.state(holder).pid}/ns/net`;
    const id = laboratory.id();
    const bundle = await harbour.counting(id, (spec) => {
      for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === 'network') namespace.path = network;
    });
    ok(harbour.checkpoint(id));
    ok(harbour.restore(id, bundle));
    const namespaces = [holder, id].map((each) => laboratory.runtime(['exec', each, 'readlink', '/proc/self/ns/net']).stdout);
    assert.equal(namespaces[0], namespaces[1]);
  });
});

/** Where, which flags, which file system: what a restore must bring back. */
function mountsOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trim().split('\n');
  const mounts = lines.map((line) => {
    const [, , , root, point, flags] = line.split(' ');
    const [type] = line.slice(line.indexOf(' - ') + 3).split(' ');
    // What masks a file is the null device, the container's or the host's.
    return root === '/null' ? `${point} null` : `${root} ${point} ${flags} ${type}`;
  });
  return mounts.sort();
}

/** A program whose streams are pipes: child_process would make sockets, which criu cannot give back. */
class Piped {
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #file: string;

  constructor({ directory, root }: Laboratory, args: readonly string[]) {
    this.#file = join(directory, `output-${args.indexOf('restore')}`);
    const script = '{ cat | { "$@" 2>&1; echo $? >"$0.code"; } } | cat >"$0"';
    this.#child = spawn('sh', ['-c', script, this.#file, RUNTIME, '--root', root, ...args], { stdio: ['pipe', 'inherit', 'inherit'] });
    this.ended = new Promise((resolve) => {
      this.#child.on('close', () => resolve(Number(readFileSync(`${this.#file}.code`, 'utf8'))));
    });
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  end(): void {
    this.#child.stdin?.end();
  }

  output(): string {
    return existsSync(this.#file) ? readFileSync(this.#file, 'utf8') : '';
  }
}

function masterFrom(socket: number): number {
  const connection = acceptUnix(socket);
  const [master] = receiveWithFds(connection, 4096).fds;
  closeSync(connection);
  assert.ok(master !== undefined);
  return master;
}

function read(master: number): string {
  const buffer = Buffer.alloc(4096);
  try {
    return buffer.toString('utf8', 0, readSync(master, buffer));
  } catch {
    return '';
  }
}
