// Where a pull's credentials come from: config.json, helper programs by registry or for all, identity tokens of a token server; and what a
// registry is trusted by: authorities and client certificates of certs.d, for the registry itself and for its mirrors.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as plainRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import type { Result } from '../harness/programs.ts';
import { BerthRegistry } from '../registry-server/berth-registry.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { storeImage } from './test-image.ts';

const NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];
const HTPASSWD = 'alice:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';
const LAYERS = [[{ name: 'a', body: 'a' }]];

let work: string;
let open: RegistryProcess;
let locked: RegistryProcess;
let daemon: Berthd;
before(async () => {
  work = mkdtempSync(join(tmpdir(), 'berth-credentials-'));
  [open, locked] = await Promise.all([startRegistry(), startRegistry({ htpasswd: HTPASSWD })]);
  daemon = await Berthd.start({ hostNetwork: true, flags: NETWORK });
  await daemon.importBusybox('made:1');
  const env = { DOCKER_CONFIG: config({ auths: { [locked.host]: { auth: Buffer.from('alice:secret').toString('base64') } } }) };
  await daemon.docker(['tag', 'made:1', `${locked.host}/private:1`]);
  const { code, stderr } = await daemon.docker(['push', '-q', `${locked.host}/private:1`], { env });
  assert.equal(code, 0, stderr);
});
after(async () => {
  await daemon[Symbol.asyncDispose]();
  await Promise.all([open[Symbol.asyncDispose](), locked[Symbol.asyncDispose]()]);
  rmSync(work, { recursive: true, force: true });
});

let serial = 0;

/** A directory with this config.json. */
function config(content: object): string {
  const directory = join(work, `config-${++serial}`);
  mkdirSync(directory);
  writeFileSync(join(directory, 'config.json'), JSON.stringify(content));
  return directory;
}

/** A docker-credential-NAME that answers `get` and notes what it was asked. */
function helper(name: string, answer: { Username: string; Secret: string }): { path: string; asked: () => string[] } {
  const bin = join(work, 'bin');
  const log = join(work, `${name}.log`);
  mkdirSync(bin, { recursive: true });
  const script = `#!/bin/sh\nread -r server\necho "$1 $server" >>${log}\n[ "$1" = get ] || exit 0\necho '${JSON.stringify(answer)}'\n`;
  writeFileSync(join(bin, `docker-credential-${name}`), script, { mode: 0o755 });
  writeFileSync(log, '');
  return { path: `${bin}:${process.env.PATH}`, asked: () => readFileSync(log, 'utf8').trim().split('\n').filter(Boolean) };
}

for (const client of ['docker', 'berth'] as const) {
  const pull = (content: object, path = process.env.PATH): Promise<Result> =>
    daemon[client](['pull', '-q', `${locked.host}/private:1`], { env: { DOCKER_CONFIG: config(content), PATH: path } });

  test(`${client}: config.json’s auths, a helper for one registry, and one for all`, async () => {
    const auth = Buffer.from('alice:secret').toString('base64');
    assert.equal((await pull({ auths: { [locked.host]: { auth } } })).code, 0);
    assert.match(
      (await pull({ auths: { [locked.host]: { auth: Buffer.from('alice:wrong').toString('base64') } } })).stderr,
      /unauthorized|access denied/,
    );
    assert.match((await pull({ auths: { 'other.example': { auth } } })).stderr, /no basic auth credentials/);
    const right = helper(`right-${client}`, { Username: 'alice', Secret: 'secret' });
    const wrong = helper(`wrong-${client}`, { Username: 'alice', Secret: 'wrong' });
    const one = await pull({ credHelpers: { [locked.host]: `right-${client}` }, credsStore: `wrong-${client}` }, right.path);
    assert.equal(one.code, 0, one.stderr);
    assert.deepEqual([right.asked().at(-1), wrong.asked()], [`get ${locked.host}`, []]);
    const all = await pull({ credsStore: `right-${client}`, credHelpers: { 'other.example': `wrong-${client}` } }, right.path);
    assert.equal(all.code, 0, all.stderr);
    assert.deepEqual(wrong.asked(), []);
  });

  test(`${client}: a login that a token server answers with an identity token, and a helper that keeps one`, async () => {
    await storeImage(`${open.host}/by-token:1`, { family: 'oci', layers: LAYERS });
    await using front = await tokenServer();
    const directory = config({});
    const env = { DOCKER_CONFIG: directory };
    const login = await daemon[client](['login', '-u', 'alice', '--password-stdin', front.host], { input: 'secret', env });
    assert.equal(login.code, 0, login.stderr);
    const { auths } = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'));
    assert.equal(auths[front.host].identitytoken, 'identity-of-alice');
    const pulled = await daemon[client](['pull', '-q', `${front.host}/by-token:1`], { env });
    assert.equal(pulled.code, 0, pulled.stderr);
    assert.ok(front.grants.includes('refresh_token'));
    const { path } = helper(`identity-${client}`, { Username: '<token>', Secret: 'identity-of-alice' });
    const kept = { DOCKER_CONFIG: config({ credsStore: `identity-${client}` }), PATH: path };
    assert.equal((await daemon[client](['pull', '-q', `${front.host}/by-token:1`], { env: kept })).code, 0);
    const stranger = { DOCKER_CONFIG: config({ auths: { [front.host]: { identitytoken: 'forged' } } }) };
    assert.match(
      (await daemon[client](['pull', '-q', `${front.host}/by-token:1`], { env: stranger })).stderr,
      /unauthorized|access denied/i,
    );
  });
}

/** The open registry behind tokens: a password gets an identity token, and that gets what may pull. */
async function tokenServer(): Promise<{ host: string; grants: string[] } & AsyncDisposable> {
  const grants: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const json = (status: number, body: object, headers = {}) => outgoing.writeHead(status, headers).end(JSON.stringify(body));
    const refused = { errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] };
    if (incoming.url?.startsWith('/token')) {
      if (incoming.method === 'POST') {
        const form = new URLSearchParams(await text(incoming));
        grants.push(form.get('grant_type') ?? '');
        return form.get('refresh_token') === 'identity-of-alice' ? json(200, { access_token: 'may-pull' }) : json(401, refused);
      }
      const password = Buffer.from((incoming.headers.authorization ?? '').replace('Basic ', ''), 'base64').toString();
      if (password !== 'alice:secret') return json(401, refused);
      const offline = new URL(incoming.url, 'http://x').searchParams.get('offline_token') === 'true';
      return json(200, { token: 'may-pull', ...(offline ? { refresh_token: 'identity-of-alice' } : {}) });
    }
    if (incoming.headers.authorization !== 'Bearer may-pull') {
      return json(401, refused, { 'www-authenticate': `Bearer realm="http://${front.host}/token",service="test"` });
    }
    const forward = plainRequest(
      `http://${open.host}${incoming.url}`,
      { method: incoming.method, headers: { accept: incoming.headers.accept ?? '*/*' } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forward.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const front = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    grants,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return front;
}

test('certs.d: an authority of one’s own, and a client certificate, of a registry and of a mirror for it', async (t) => {
  const address = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  if (address === undefined) return t.skip('this machine has no address but loopback, and loopback is trusted without certificates');
  if (spawnSync('openssl', ['version']).status !== 0) return t.skip('openssl is not installed: nothing else here makes certificates');
  const tls = (directory: string) => {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test', '-keyout', 'ca.key', '-out', 'ca.crt');
    writeFileSync(join(directory, 'ext'), `subjectAltName=IP:${address},IP:127.0.0.1\n`);
    for (const name of ['server', 'client']) {
      openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.crt',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        'ext',
        '-out',
        `${name}.crt`,
      );
    }
    const file = (name: string) => join(directory, name);
    return [
      '--listen',
      `${address}:0`,
      '--tls-cert',
      file('server.crt'),
      '--tls-key',
      file('server.key'),
      '--tls-client-ca',
      file('ca.crt'),
      '--proxy',
      `http://${open.host}`,
    ];
  };
  await storeImage(`${open.host}/trusted:1`, { family: 'oci', layers: LAYERS });
  await using registry = await BerthRegistry.start({ flags: tls });
  const certs = join(work, 'certs.d');
  const own = join(certs, registry.host);
  mkdirSync(own, { recursive: true });
  const give = (from: string, to: string) => writeFileSync(join(own, to), readFileSync(join(registry.directory, from)));
  await using engine = await Berthd.start({
    hostNetwork: true,
    flags: [...NETWORK, '--registry-certs', certs, '--registry-mirror', `registry.invalid=https://${registry.host}`],
  });
  const pull = (name: string) => engine.docker(['pull', '-q', name]);
  assert.match((await pull(`${registry.host}/trusted:1`)).stderr, /certificate signed by unknown authority/);
  give('ca.crt', 'ca.crt');
  const unknown = await pull(`${registry.host}/trusted:1`);
  assert.equal(unknown.code, 1, 'without a client certificate');
  assert.match(unknown.stderr, /certificate required|handshake|alert/i);
  give('client.crt', 'client.cert');
  assert.match((await pull(`${registry.host}/trusted:1`)).stderr, /missing key client\.key for client certificate client\.cert/);
  give('client.key', 'client.key');
  const trusted = await pull(`${registry.host}/trusted:1`);
  assert.equal(trusted.code, 0, trusted.stderr);
  const mirrored = await pull('registry.invalid/trusted:1');
  assert.equal(mirrored.code, 0, mirrored.stderr);
  const keys = execFileSync('find', [engine.execRoot, '-name', '*.pem', '-perm', '/077'], { encoding: 'utf8' });
  assert.equal(keys, '', 'keys that others may read');
});

test('search: the registry’s own, with its filters, or its catalog', async () => {
  for (const name of ['team/finder', 'team/other', 'finder-too'])
    await storeImage(`${open.host}/${name}:1`, { family: 'oci', layers: LAYERS });
  const found = [
    {
      name: 'official',
      description: 'The official one, with a description that goes on and on for more than 45 characters',
      star_count: 12,
      is_official: true,
      is_automated: false,
    },
    { name: 'some/official', description: 'another\nline', star_count: 3, is_official: false, is_automated: false },
  ];
  const asked: string[] = [];
  const server = createServer((incoming, outgoing) => {
    asked.push(incoming.url ?? '');
    if (incoming.url?.startsWith('/v1/search')) outgoing.end(JSON.stringify({ results: found }));
    else outgoing.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  using _server = { [Symbol.dispose]: () => void server.close() };
  const hub = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const client of ['docker', 'berth'] as const) {
    const search = async (...args: string[]) => {
      const { code, stdout, stderr } = await daemon[client](['search', ...args]);
      assert.equal(code, 0, stderr);
      return stdout.trimEnd();
    };
    const rows = (await search(`${hub}/official`)).split('\n').map((line) => line.trimEnd());
    assert.match(rows[0] as string, /^NAME +DESCRIPTION +STARS +OFFICIAL$/);
    assert.match(rows[1] as string, /^official +The official one, with a description that go… +12 +\[OK\]$/);
    assert.match(rows[2] as string, /^some\/official +another ?line +3$/);
    assert.match(asked.at(-1) as string, /^\/v1\/search\?q=official&n=25$/);
    assert.match(await search('--no-trunc', `${hub}/official`), /more than 45 characters/);
    assert.equal(await search('--filter', 'is-official=true', '--format', '{{.Name}}', `${hub}/official`), 'official');
    assert.equal(await search('--filter', 'stars=5', '--format', '{{.Name}} {{.StarCount}}', `${hub}/official`), 'official 12');
    await search('--limit', '7', `${hub}/x`);
    assert.match(asked.at(-1) as string, /n=7$/);
    assert.equal(await search('--format', '{{.Name}}', `${open.host}/find`), `${open.host}/finder-too\n${open.host}/team/finder`);
    for (const [args, message] of [
      [['--limit', '101', `${hub}/x`], /limit 101 is outside the range of \[1, 100\]/],
      [['--filter', 'nonsense=1', `${hub}/x`], /invalid filter 'nonsense'/],
      [['--filter', 'stars=many', `${hub}/x`], /invalid filter 'stars=/],
      [['127.0.0.1:1/x'], /connection refused/],
    ] as const) {
      const { code, stderr } = await daemon[client](['search', ...args]);
      assert.equal(code, 1);
      assert.match(stderr, message);
    }
  }
});
