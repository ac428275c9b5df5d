// Another OCI runtime under the shim, by its command line: Debian's runc.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { pack } from '@berth/rpc/any';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import { deleteDeadShim } from '@berth/shim/zygote/client';
import { eventually } from '../harness/eventually.ts';
import { Attached, alive, Laboratory, NAMESPACE, type Shim } from './laboratory.ts';

const present = spawnSync('runc', ['--version']).status === 0;
const options = { skip: present ? false : 'runc is not installed' };

async function create(lab: Laboratory, shim: Shim, { terminal = false } = {}): Promise<void> {
  const uri = `attach://${lab.attachPath(shim)}?log=json-file&path=${lab.logPath(shim)}`;
  await shim.task.create({
    id: shim.id,
    bundle: shim.bundle,
    stdin: terminal ? uri : '',
    stdout: uri,
    stderr: terminal ? '' : uri,
    terminal,
    options: pack(Options, { binaryName: 'runc', root: join(lab.root, 'runc') }),
  });
}

test('runc runs, pauses, is executed in, and tells its exit code', options, async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('echo from runc; sleep 100; exit 1');
  const { id, task } = shim;
  await create(lab, shim);
  await task.start({ id });
  await eventually(() => lab.logged(shim) === 'from runc\n', 'the log line');
  await task.pause({ id });
  await task.resume({ id });
  assert.ok((await task.pids({ id })).processes.length >= 1);
  assert.match((await task.stats({ id })).stats?.typeUrl ?? '', /Metrics$/);

  const stdout = `file://${join(shim.bundle, 'exec.out')}`;
  const value = Buffer.from(JSON.stringify(lab.process('echo executed; exit 6')));
  await task.exec({ id, execId: 'e', stdout, spec: { typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Process', value } });
  const waiting = task.wait({ id, execId: 'e' });
  await task.start({ id, execId: 'e' });
  assert.equal((await waiting).exitStatus, 6);
  assert.equal(readFileSync(join(shim.bundle, 'exec.out'), 'utf8'), 'executed\n');
  await task.delete({ id, execId: 'e' });

  await task.kill({ id, signal: 9 });
  assert.equal((await task.wait({ id })).exitStatus, 137);
  await task.delete({ id });
  assert.ok(!existsSync(join(lab.root, 'runc', id)));
});

test('runc with a terminal, and a root filesystem that the shim mounts', options, async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('stty size; echo bye', (spec) => {
    spec.root = { path: 'rootfs' };
    if (spec.process) Object.assign(spec.process, { terminal: true, consoleSize: { height: 21, width: 43 } });
  });
  mkdirSync(join(shim.bundle, 'rootfs'));
  const uri = `attach://${lab.attachPath(shim)}?log=json-file&path=${lab.logPath(shim)}`;
  await shim.task.create({
    id: shim.id,
    bundle: shim.bundle,
    rootfs: [{ type: 'bind', source: lab.rootfs, target: '', options: ['rbind', 'ro'] }],
    stdin: uri,
    stdout: uri,
    terminal: true,
    options: pack(Options, { binaryName: 'runc', root: join(lab.root, 'runc') }),
  });
  const client = new Attached(lab.attachPath(shim), { stdin: true, stdout: true });
  await shim.task.start({ id: shim.id });
  await client.ended;
  assert.match(client.raw, /21 43\r\nbye\r\n/);
  await shim.task.wait({ id: shim.id });
  await shim.task.delete({ id: shim.id });
  assert.ok(!readFileSync('/proc/self/mounts', 'utf8').includes(shim.bundle));
});

test("runc's error arrives in containerd's words, and a killed shim's container is deleted with runc", options, async (t) => {
  const lab = await Laboratory.open(t);
  const broken = await lab.shim('true', (spec) => {
    if (spec.process) spec.process.args = ['/no/such/program'];
  });
  await assert.rejects(create(lab, broken), /OCI runtime create failed: .*no such file or directory/);

  const shim = await lab.shim('sleep 100');
  await create(lab, shim);
  await shim.task.start({ id: shim.id });
  const { pid } = await shim.task.state({ id: shim.id });
  process.kill(shim.pid, 'SIGKILL');
  await shim.client.closed();
  assert.ok(alive(pid));
  renameSync(lab.logPath(shim), `${lab.logPath(shim)}.seen`);
  await deleteDeadShim({
    namespace: NAMESPACE,
    id: shim.id,
    bundle: shim.bundle,
    socketDir: join(lab.root, 's'),
    runtimeRoot: join(lab.root, 'runtime'),
  });
  assert.ok(!alive(pid));
});
