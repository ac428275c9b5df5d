// Published weaknesses of containerd, by number: what each was about, and that this service and its shims do not have it. Those of
// Kubernetes' interface, which is not served here, are tested on what corresponds to it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { resolveUser } from '@berth/daemon/containers/spec/users';
import { digestOf } from '@berth/oci/digest';
import { parseReference } from '@berth/oci/reference';
import { ConfiguredHosts } from '@berth/oci/registry/host';
import { Repository } from '@berth/oci/registry/repository';
import { Berthd } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import { eventually } from '../harness/eventually.ts';
import { run } from '../harness/programs.ts';
import { tar } from '../harness/tar-archive.ts';
import { Laboratory } from '../lifecycle/laboratory.ts';
import { directory, file, hardlink, layer, stored, symlink } from '../lifecycle/layer-fixture.ts';
import { openStorage } from '../lifecycle/storage-fixture.ts';

const NOBODY = 65534;

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: Buffer;
}

/** An HTTP server that notes who asked for what. */
async function listening(answer: (request: IncomingMessage, path: string) => Answer) {
  const requests: { path: string; authorization: string | undefined }[] = [];
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push({ path, authorization: request.headers.authorization });
    const { status, headers = {}, body } = answer(request, path);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    requests,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Sockets, pipes and files: an eventfd more or less is the event loop's own, which opens one when a collection first needs it. */
const descriptors = (pid: number) =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return !readlinkSync(`/proc/${pid}/fd/${fd}`).includes('[eventfd]');
    } catch {
      return false;
    }
  }).length;
const residentKb = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

test("CVE-2020-15157: a layer's foreign URLs get no credentials of the registry's", async () => {
  using elsewhere = await listening(() => ({ status: 401, headers: { 'WWW-Authenticate': 'Basic realm="theirs"' } }));
  const bytes = Buffer.from('layer');
  using registry = await listening((request, path): Answer => {
    if (request.headers.authorization === undefined) return { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="ours"' } };
    if (path.includes('/blobs/')) return { status: 307, headers: { Location: `http://${elsewhere.host}/stolen` } };
    return { status: 200 };
  });
  const credentials = async () => ({ kind: 'password', username: 'alice', password: 'secret' }) as const;
  using repository = await Repository.open({
    reference: parseReference(`${registry.host}/x:1`),
    hosts: new ConfiguredHosts(),
    credentials,
  });
  const descriptor = { mediaType: 'x', digest: digestOf(bytes), size: bytes.length, urls: [`http://${elsewhere.host}/foreign`] };
  await assert.rejects(buffer(repository.blob(descriptor)));
  assert.ok(registry.requests.some(({ authorization }) => authorization !== undefined));
  assert.deepEqual(
    elsewhere.requests.filter(({ authorization }) => authorization !== undefined),
    [],
  );
  assert.deepEqual(
    elsewhere.requests.filter(({ path }) => path === '/foreign'),
    [],
  );
});

test("CVE-2020-15257: a container in the host's network reaches no shim, for shims have no abstract sockets", async (t) => {
  // Whatever the umask, others must not connect to what files there are instead.
  const umask = process.umask(0);
  const lab = await Laboratory.open(t).finally(() => process.umask(umask));
  const id = await lab.run('cat /proc/net/unix > /tmp/seen; sleep 1000', {
    change: (spec) => {
      if (spec.linux) spec.linux.namespaces = (spec.linux.namespaces ?? []).filter(({ type }) => type !== 'network');
    },
  });
  const seen = await eventually(() => {
    const text = spawnSync('cat', [join(lab.rootfs, 'tmp/seen')], { encoding: 'utf8' }).stdout;
    return text.includes('Path') ? text : undefined;
  }, 'the list of sockets');
  assert.deepEqual(
    seen.split('\n').filter((line) => /@.*(containerd|berth)/.test(line)),
    [],
  );
  const bootstrap = JSON.parse(readFileSync(join(lab.bundle(id), 'bootstrap.json'), 'utf8')) as { address: string };
  const socket = bootstrap.address.replace(/^unix:\/\//, '');
  // The directories of the laboratory itself are no part of the protection.
  chmodSync(lab.directory, 0o755);
  const denied = spawnSync(
    process.execPath,
    [
      '-e',
      `require('node:net').connect(${JSON.stringify(socket)}).on('error', (e) => console.log(e.code)).on('connect', () => console.log('in'))`,
    ],
    {
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
      timeout: 5000,
      killSignal: 'SIGKILL',
    },
  );
  assert.equal(denied.stdout.trim(), 'EACCES', denied.stderr);
});

test('CVE-2021-21334: the environment of one container is never that of another', async (t) => {
  const lab = await Laboratory.open(t);
  const secrets = ['one', 'two', 'three', 'four'];
  const seen = await Promise.all(
    secrets.map(async (secret) => {
      const output = join(lab.directory, `env-${secret}`);
      const id = await lab.run('export', {
        stdout: `file://${output}`,
        change: (spec) => {
          if (spec.process) spec.process.env = ['PATH=/bin', `SECRET_${secret}=${secret}`];
        },
      });
      await lab.tasks.wait({ containerId: id });
      return [...readFileSync(output, 'utf8').matchAll(/SECRET_\w+/g)].map(([name]) => name);
    }),
  );
  assert.deepEqual(
    seen,
    secrets.map((secret) => [`SECRET_${secret}`]),
  );
});

test('CVE-2021-32760: unpacking changes no mode of a file outside by a link in the layer', async () => {
  await using fixture = openStorage();
  const victim = join(fixture.root, 'victim');
  writeFileSync(victim, 'x');
  chmodSync(victim, 0o600);
  const content = fixture.storage.content.in({ namespace: 'n' });
  const snapshotter = fixture.storage.snapshotter({ namespace: 'n' }, 'overlayfs');
  const layers = [
    [symlink('l', victim), hardlink('h', 'l'), file('h', 'y', { mode: 0o777 })],
    [symlink('d', fixture.root), directory('d/sub', { mode: 0o777 }), file('d/victim', 'y', { mode: 0o777 })],
  ];
  for (const [index, members] of layers.entries()) {
    const mounts = await snapshotter.prepare(`work-${index}`);
    await fixture.storage.differ.apply(content, await stored(content, layer(...members)), mounts, { whiteouts: 'overlay' }).catch(() => {});
    assert.deepEqual([statSync(victim).mode & 0o7777, readFileSync(victim, 'utf8')], [0o600, 'x']);
  }
});

test('CVE-2021-41103, CVE-2024-25621: nobody but root looks into bundles, snapshots and state, nor runs a set-uid program there', async (t) => {
  const lab = await Laboratory.open(t);
  await lab.run('sleep 1000');
  const outsider = (...args: string[]) => spawnSync(args[0] as string, args.slice(1), { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });
  const open: string[] = [];
  for (const root of ['root', 'state']) {
    for (const path of execFileSync('find', [join(lab.directory, root), '-type', 'd'], { encoding: 'utf8' })
      .trim()
      .split('\n')) {
      if (path.includes('/rootfs')) continue;
      if ((lstatSync(path).mode & 0o006) !== 0) open.push(`${(lstatSync(path).mode & 0o777).toString(8)} ${path}`);
    }
  }
  assert.deepEqual(open, [], 'directories that others may list or write');
  chmodSync(lab.directory, 0o755);
  const files = execFileSync('find', [join(lab.directory, 'root'), '-type', 'f'], { encoding: 'utf8' })
    .trim()
    .split('\n');
  assert.ok(files.some((path) => path.endsWith('metadata.db')));
  for (const path of files) assert.notEqual(outsider('cat', path).status, 0, `${path} must not be read by whoever knows its name`);
  const snapshots = join(lab.directory, 'root/io.containerd.snapshotter.v1.overlayfs/snapshots');
  mkdirSync(join(snapshots, 'probe/fs'), { recursive: true });
  t.after(() => rmSync(join(snapshots, 'probe'), { recursive: true, force: true }));
  const program = join(snapshots, 'probe/fs/id');
  copyFileSync(join(lab.rootfs, 'bin/busybox'), program);
  chmodSync(program, 0o4755);
  assert.notEqual(outsider(program, 'id').status, 0, 'a set-uid program of an image must not run for a user of the host');
});

test('CVE-2022-23471: terminals of execs that never started leave nothing in the shim', async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.run('sleep 1000', {
    change: (spec) => {
      spec.mounts?.push(
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
        { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
      );
    },
  });
  // One fails before it has its terminal, the other one after.
  writeFileSync(join(lab.rootfs, 'not-a-program'), '?', { mode: 0o755 });
  const spec = lab.exec('true');
  const broken = (program: string) => ({
    ...spec,
    value: Buffer.from(JSON.stringify({ ...JSON.parse(spec.value.toString()), args: [program], terminal: true })),
  });
  const attempt = async (execId: string) => {
    for (const [program, error] of [
      ['/no-such-program', /no such file or directory/],
      ['/not-a-program', /exec format error/],
    ] as const) {
      await lab.tasks.exec({ containerId: id, execId, spec: broken(program), terminal: true });
      await assert.rejects(lab.tasks.start({ containerId: id, execId }), error);
      await lab.tasks.deleteProcess({ containerId: id, execId });
    }
  };
  for (let n = 0; n < 3; n++) await attempt(`warm-${n}`);
  const before = descriptors(lab.shimPid(id));
  for (let n = 0; n < 20; n++) await attempt(`e-${n}`);
  assert.equal(descriptors(lab.shimPid(id)), before);
});

test("CVE-2022-23648: a volume's path in an image leads to no file of the host", async () => {
  await using berthd = await Berthd.start();
  const canary = join(berthd.directory, 'host-secret');
  mkdirSync(canary);
  writeFileSync(join(canary, 'key'), 'secret of the host');
  const evil = tar([
    { name: 'climb', linkTo: `../../../../../../../../..${canary}` },
    { name: 'absolute', linkTo: canary },
  ]);
  // Members of two archives make one when the first one's end is cut off.
  const archive = Buffer.concat([busyboxRootfs().subarray(0, -1024), evil]);
  for (const path of ['/climb', '/absolute', `/../../../../../../..${canary}`]) {
    const imported = await run('docker', ['import', '-c', `VOLUME ["${path}"]`, '-c', 'ENV PATH=/bin', '-', 'evil'], {
      env: berthd.environment,
      input: archive,
    });
    if (imported.code !== 0) continue;
    const { stdout } = await berthd.docker(['run', '--rm', 'evil', 'sh', '-c', `cat ${path}/key 2>&1; find / -xdev -name key 2>/dev/null`]);
    assert.doesNotMatch(stdout, /secret of the host/, path);
  }
});

test('CVE-2022-31030: output that nobody reads fills no memory', async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.run('sleep 1000');
  const fifo = join(lab.directory, 'unread');
  execFileSync('mkfifo', [fifo]);
  const before = residentKb(lab.shimPid(id));
  await lab.tasks.exec({
    containerId: id,
    execId: 'flood',
    stdout: fifo,
    spec: lab.exec('dd if=/dev/zero bs=64k count=4096'),
  });
  await lab.tasks.start({ containerId: id, execId: 'flood' });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const grown = residentKb(lab.shimPid(id)) - before;
  assert.ok(grown < 40_000, `the shim grew by ${grown} kB`);
  await lab.tasks.kill({ containerId: id, execId: 'flood', signal: 9 });
});

test('CVE-2023-25153: a manifest of any size is refused before it is in memory', async () => {
  const huge = Buffer.alloc(8 << 20, ' ');
  using registry = await listening((_request, path) =>
    path.includes('/manifests/')
      ? { status: 200, headers: { 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' }, body: huge }
      : { status: 200 },
  );
  using repository = await Repository.open({
    reference: parseReference(`${registry.host}/x:1`),
    hosts: new ConfiguredHosts(),
    credentials: async () => undefined,
  });
  await assert.rejects(repository.manifest('1'), /larger than \d+ bytes: refused/);
});

test('CVE-2023-25173: a process has its primary group among its groups, and no other for free', async (t) => {
  const accounts = { users: [{ name: 'app', uid: 1000, gid: 1000, home: '/' }], groups: [{ name: 'extra', gid: 2000, members: ['app'] }] };
  assert.deepEqual(resolveUser('app', [], accounts).additionalGids, [1000, 2000]);
  assert.deepEqual(resolveUser('app:3000', [], accounts).additionalGids, [3000]);
  const lab = await Laboratory.open(t);
  const output = join(lab.directory, 'groups');
  const id = await lab.run('grep Groups /proc/self/status', {
    stdout: `file://${output}`,
    change: (spec) => {
      if (spec.process)
        Object.assign(spec.process, {
          args: ['/bin/cat', '/proc/self/status'],
          user: { uid: 1000, gid: 1000, additionalGids: [1000, 2000] },
        });
    },
  });
  await lab.tasks.wait({ containerId: id });
  assert.match(readFileSync(output, 'utf8'), /^Groups:\s+1000 2000\s*$/m);
});

test('CVE-2024-40635: a number too large for a user id is refused, not turned into root', () => {
  const accounts = { users: [], groups: [] };
  for (const user of ['2147483648', '4294967296', '4294967296:1000', '1000:4294967296', '18446744073709551616', '99999999999999999999:0']) {
    assert.throws(() => resolveUser(user, [], accounts), /uids and gids must be in range|unable to find/, user);
  }
  assert.equal(resolveUser('2147483647', [], accounts).uid, 2 ** 31 - 1);
});

test('CVE-2025-64329: clients that attach and go away leave nothing in the shim', async (t) => {
  const lab = await Laboratory.open(t);
  const socket = join(lab.directory, 'a.sock');
  const id = await lab.run('sleep 1000', { stdout: `attach://${socket}` });
  const attach = () =>
    new Promise<void>((resolve, reject) => {
      const client = connect(socket, () => {
        client.write(`${JSON.stringify({ stdin: false, stdout: true, stderr: true })}\n`, () => setTimeout(() => client.destroy(), 5));
      });
      client.on('error', reject).on('close', () => resolve());
    });
  for (let n = 0; n < 5; n++) await attach();
  const pid = lab.shimPid(id);
  const before = await settled(pid);
  for (let n = 0; n < 10; n++) await Promise.all(Array.from({ length: 10 }, attach));
  // A busy machine takes its time to tell the shim of them all.
  for (let waited = 0; waited < 50 && descriptors(pid) > before; waited++) await settled(pid);
  assert.equal(await settled(pid), before);
});

/** The number of descriptors once it no longer changes. */
async function settled(pid: number): Promise<number> {
  for (let last = -1; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const now = descriptors(pid);
    if (now === last) return now;
    last = now;
  }
}
