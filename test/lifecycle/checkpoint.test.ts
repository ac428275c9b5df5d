// Tasks saved and restored: through the API as a client of containerd does it, and by ctr.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { pack } from '@berth/rpc/any';
import { CheckpointOptions, Options } from '@berth/rpc/gen/containerd/types/runc/options';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { CRIU, criuMissing } from '../harness/criu.ts';
import { eventually } from '../harness/eventually.ts';
import { program } from '../harness/programs.ts';
import { imageArchive } from './image-archive.ts';
import { alive, Laboratory, NAMESPACE } from './laboratory.ts';

// The services under test find it as people's do.
process.env.PATH = `${dirname(CRIU)}:${process.env.PATH}`;

const COUNT = 'i=0; while true; do i=$((i+1)); echo $i; sleep 0.02; done';

describe('checkpoints of tasks', { skip: criuMissing() }, () => {
  test('a task is saved as content and goes on in a new one, whose output goes where the new one says', async (t) => {
    const lab = await Laboratory.open(t);
    const [first, second] = ['first', 'second'].map((name) => join(lab.directory, name)) as [string, string];
    const numbers = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean).map(Number) : []);
    const id = await lab.run(COUNT, { stdout: `file://${first}` });
    await eventually(() => numbers(first).length > 5, 'output');
    const { descriptors } = await lab.tasks.checkpoint({ containerId: id, options: pack(CheckpointOptions, { exit: true }) });
    assert.deepEqual(
      descriptors.map(({ mediaType }) => mediaType),
      ['application/vnd.containerd.container.criu.checkpoint.criu.tar', 'application/vnd.containerd.container.checkpoint.config.v1+proto'],
    );
    assert.equal((await lab.tasks.wait({ containerId: id })).exitStatus, 137);
    await lab.tasks.delete({ containerId: id });

    const { pid } = await lab.tasks.create({ containerId: id, checkpoint: descriptors[0], stdout: `file://${second}` });
    // Its namespaces are there, for a network to be connected; its processes are not.
    assert.ok(alive(pid));
    assert.ok(existsSync(`/proc/${pid}/ns/net`));
    assert.equal((await lab.tasks.get({ containerId: id })).process?.status, Status.CREATED);
    assert.deepEqual(numbers(second), []);
    assert.equal((await lab.tasks.start({ containerId: id })).pid, pid);
    await eventually(() => numbers(second).length > 5, 'output after the restore');
    const all = [...numbers(first), ...numbers(second)];
    assert.deepEqual(
      all,
      all.map((_, index) => index + 1),
    );
    assert.deepEqual(readdirSync(join(lab.directory, 'root/checkpoints', NAMESPACE)), []);
    assert.deepEqual(lab.topics(id).slice(-2), ['/tasks/create', '/tasks/start']);
    assert.ok(lab.topics(id).includes('/tasks/checkpointed'));
    const exec = join(lab.directory, 'exec');
    await lab.tasks.exec({ containerId: id, execId: 'e', stdout: `file://${exec}`, spec: lab.exec('echo here') });
    await lab.tasks.start({ containerId: id, execId: 'e' });
    await lab.tasks.wait({ containerId: id, execId: 'e' });
    assert.equal(readFileSync(exec, 'utf8'), 'here\n');
  });

  test('a directory of the client takes the images, and the task goes on', async (t) => {
    const lab = await Laboratory.open(t);
    const images = join(lab.directory, 'images');
    const id = await lab.run(COUNT);
    const { descriptors } = await lab.tasks.checkpoint({ containerId: id, options: pack(CheckpointOptions, { imagePath: images }) });
    assert.deepEqual(descriptors, []);
    assert.ok(existsSync(join(images, 'inventory.img')));
    assert.equal((await lab.tasks.get({ containerId: id })).process?.status, Status.RUNNING);
    await lab.tasks.kill({ containerId: id, signal: 9 });
    await lab.tasks.wait({ containerId: id });
    await lab.tasks.delete({ containerId: id });
    await lab.tasks.create({ containerId: id, options: pack(Options, { criuImagePath: images }) });
    await lab.tasks.start({ containerId: id });
    assert.equal((await lab.tasks.get({ containerId: id })).process?.status, Status.RUNNING);
  });

  test("another runtime saves and restores by its command line, under Berth's shim", async (t) => {
    const lab = await Laboratory.open(t);
    const images = join(lab.directory, 'images');
    const output = join(lab.directory, 'output');
    const lines = () => (existsSync(output) ? readFileSync(output, 'utf8').split('\n').filter(Boolean).map(Number) : []);
    const runc = { binaryName: program('runc') };
    const id = await lab.container(COUNT);
    await lab.tasks.create({ containerId: id, stdout: `file://${output}`, options: pack(Options, runc) });
    await lab.tasks.start({ containerId: id });
    await eventually(() => lines().length > 5, 'output');
    await lab.tasks.checkpoint({ containerId: id, options: pack(CheckpointOptions, { exit: true, imagePath: images }) });
    await lab.tasks.wait({ containerId: id });
    await lab.tasks.delete({ containerId: id });
    const stood = lines().length;
    const options = pack(Options, { ...runc, criuImagePath: images });
    // runc restores at the start: only then there is a pid.
    assert.equal((await lab.tasks.create({ containerId: id, stdout: `file://${output}`, options })).pid, 0);
    const { pid } = await lab.tasks.start({ containerId: id });
    assert.ok(alive(pid));
    await eventually(() => lines().length > stood + 5, 'output after the restore');
    assert.deepEqual(
      lines(),
      lines().map((_, index) => index + 1),
    );
  });

  test('a restore that is given up, or fails, leaves nothing', async (t) => {
    const lab = await Laboratory.open(t);
    const images = join(lab.directory, 'images');
    const id = await lab.run(COUNT);
    await lab.tasks.checkpoint({ containerId: id, options: pack(CheckpointOptions, { imagePath: images, exit: true }) });
    await lab.tasks.wait({ containerId: id });
    await lab.tasks.delete({ containerId: id });
    const options = pack(Options, { criuImagePath: images });
    const { pid } = await lab.tasks.create({ containerId: id, options });
    await lab.tasks.delete({ containerId: id });
    await eventually(() => !alive(pid), 'the end of init');
    assert.equal(existsSync(lab.bundle(id)), false);
    assert.equal(existsSync(`/sys/fs/cgroup/memory/${id}`), false);
    // Killed before it has started.
    await lab.tasks.create({ containerId: id, options });
    await lab.tasks.kill({ containerId: id, signal: 9 });
    await lab.tasks.wait({ containerId: id });
    await lab.tasks.delete({ containerId: id });
    // An image that is not one.
    writeFileSync(join(images, 'core-1.img'), 'nothing');
    await assert.rejects(async () => {
      await lab.tasks.create({ containerId: id, options });
      await lab.tasks.start({ containerId: id });
    }, /criu failed: [\s\S]*log file: /);
    await lab.tasks.delete({ containerId: id }).catch(() => {});
    assert.equal(existsSync(`/sys/fs/cgroup/memory/${id}`), false);
  });

  test('an open connection is an error with its reason, or comes back where it is allowed', async (t) => {
    const lab = await Laboratory.open(t);
    const heard = join(lab.directory, 'heard');
    const script = `while true; do echo tick; sleep 0.1; done | busybox nc -lp 7777 & sleep 0.3; sleep 1000 | busybox nc 127.0.0.1 7777`;
    const id = await lab.run(script, { stdout: `file://${heard}` });
    const ticks = () => (existsSync(heard) ? readFileSync(heard, 'utf8').split('tick').length : 0);
    await eventually(() => ticks() > 3, 'words over the connection');
    await assert.rejects(
      lab.tasks.checkpoint({ containerId: id }),
      /OCI runtime checkpoint failed: criu failed: [\s\S]*Connected TCP socket[\s\S]*log file: .*criu-work\/dump\.log/,
    );
    const then = ticks();
    await eventually(() => ticks() > then + 2, 'more words');
    const { descriptors } = await lab.tasks.checkpoint({
      containerId: id,
      options: pack(CheckpointOptions, { exit: true, openTcp: true }),
    });
    await lab.tasks.wait({ containerId: id });
    await lab.tasks.delete({ containerId: id });
    const stood = ticks();
    await lab.tasks.create({ containerId: id, checkpoint: descriptors[0], stdout: `file://${heard}` });
    await lab.tasks.start({ containerId: id });
    await eventually(() => ticks() > stood + 2, 'words over the restored connection');
  });

  test('ctr: containers checkpoint and restore, with image, writable layer and memory', async (t) => {
    const lab = await Laboratory.open(t);
    const ctr = async (...args: string[]) => {
      const result = await lab.ctr(...args);
      assert.equal(result.code, 0, `ctr ${args.join(' ')}: ${result.stderr}`);
      return result.stdout;
    };
    const name = 'docker.io/library/checkpoint-test:1';
    await ctr(
      'images',
      'import',
      imageArchive(lab.directory, name, execFileSync('tar', ['cf', '-', '-C', lab.rootfs, '.'], { maxBuffer: 1 << 26 })),
    );
    const id = `${NAMESPACE}-sailor`;
    const script = 'echo written >/data/own; i=0; while true; do i=$((i+1)); echo $i >/data/i; sleep 0.05; done';
    const berth = ['--runtime', 'io.containerd.berth.v1'];
    await ctr('run', '-d', ...berth, name, id, '/bin/sh', '-c', script);
    const read = async (who: string, path: string) => (await ctr('tasks', 'exec', '--exec-id', 'r', who, '/bin/cat', path)).trim();
    await eventually(async () => Number(await read(id, '/data/i')) > 5, 'counting');
    await ctr('containers', 'checkpoint', '--rw', '--image', '--task', id, 'example.test/checkpoint:1');
    const stood = Number(await read(id, '/data/i'));
    await ctr('tasks', 'kill', '--signal', 'SIGKILL', id);
    await eventually(async () => (await ctr('tasks', 'ls')).includes('STOPPED'), 'the end');
    await ctr('tasks', 'rm', id);
    await ctr('containers', 'rm', id);
    const restored = `${NAMESPACE}-restored`;
    await ctr('containers', 'restore', '--rw', '--live', restored, 'example.test/checkpoint:1');
    assert.match(await ctr('tasks', 'ls'), new RegExp(`${restored}\\s+\\d+\\s+RUNNING`));
    assert.equal(await read(restored, '/data/own'), 'written');
    assert.ok(Number(await read(restored, '/data/i')) >= stood - 5);
    // The flags of this one ctr passes on to runc's runtime names only.
    await ctr('tasks', 'checkpoint', restored);
    assert.match(await ctr('images', 'ls'), /containerd\.io\/checkpoint\//);
    assert.match(await ctr('tasks', 'ls'), new RegExp(`${restored}\\s+\\d+\\s+RUNNING`));
  });
});
