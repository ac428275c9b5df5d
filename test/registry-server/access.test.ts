// Who may do what: HTTP basic and tokens by an htpasswd file, tokens of another server, anonymous pulling, read-only, and TLS.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '@berth/oci/digest';
import { signToken } from '@berth/registry/access/token';
import { program, run } from '../harness/programs.ts';
import { BerthRegistry, codeOf } from './berth-registry.ts';

/** alice, whose password is secret. */
const HTPASSWD = 'alice:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';

function htpasswd(...more: string[]) {
  return {
    flags: (directory: string) => {
      writeFileSync(join(directory, 'htpasswd'), HTPASSWD);
      return ['--htpasswd', join(directory, 'htpasswd'), ...more];
    },
  };
}

function basic(user: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

test('htpasswd: only its users, by HTTP basic', async () => {
  await using registry = await BerthRegistry.start(htpasswd());
  const anonymous = await registry.fetch('/v2/');
  assert.deepEqual([anonymous.status, anonymous.headers.get('www-authenticate')], [401, 'Basic realm="berth-registry"']);
  assert.equal(await codeOf(anonymous), 'UNAUTHORIZED');
  const status = async (headers: Record<string, string>) => (await registry.fetch('/v2/', { headers })).status;
  assert.equal(await status(basic('alice', 'secret')), 200);
  assert.equal(await status(basic('alice', 'wrong')), 401);
  assert.equal(await status(basic('bob', 'secret')), 401);
  assert.equal(await status(basic('alice', `secret${'x'.repeat(100)}`)), 401);
  assert.equal(await status({ authorization: 'Basic !!!' }), 401);
  assert.equal((await registry.fetch('/token')).status, 404);
  const post = (headers: Record<string, string>) => registry.fetch('/v2/a/blobs/uploads/', { method: 'POST', headers });
  assert.equal((await post({})).status, 401);
  assert.equal((await post(basic('alice', 'secret'))).status, 202);
  // Guesses come one after another; those that do not fit in the queue are told to wait.
  const guesses = await Promise.all(Array.from({ length: 60 }, (_, index) => status(basic('alice', `guess ${index}`))));
  assert.ok(guesses.every((one) => one === 401 || one === 429));

  writeFileSync(join(registry.directory, 'htpasswd'), HTPASSWD.replace('alice', 'carol'));
  assert.equal(await status(basic('alice', 'secret')), 401);
  assert.equal(await status(basic('carol', 'secret')), 200);
});

test('an htpasswd file with other hashes is refused, with its line', async () => {
  const flags = (directory: string) => {
    writeFileSync(join(directory, 'md5'), `${HTPASSWD}bob:$apr1$x$y\n`);
    return ['--htpasswd', join(directory, 'md5')];
  };
  await assert.rejects(BerthRegistry.start({ flags }), /md5 line 2 is no bcrypt entry: make it with htpasswd -B/);
});

test('anonymous pull: everybody reads, by a token, and users write', async () => {
  await using registry = await BerthRegistry.start(htpasswd('--anonymous-pull'));
  assert.equal(statSync(join(registry.root, 'token-key.pem')).mode & 0o777, 0o600);
  const challenge = (await registry.fetch('/v2/team/app/manifests/1')).headers.get('www-authenticate');
  assert.equal(challenge, `Bearer realm="http://${registry.host}/token",service="berth-registry",scope="repository:team/app:pull"`);
  const tokenFor = async (scope: string, headers: Record<string, string> = {}) => {
    const answer = await registry.fetch(`/token?service=berth-registry&scope=${encodeURIComponent(scope)}`, { headers });
    assert.equal(answer.status, 200);
    return `Bearer ${((await answer.json()) as { token: string }).token}`;
  };
  const status = async (method: string, path: string, authorization: string) =>
    (await registry.fetch(path, { method, headers: { authorization } })).status;

  const stranger = await tokenFor('repository:team/app:pull,push');
  assert.equal(await status('GET', '/v2/team/app/manifests/1', stranger), 404);
  assert.equal(await status('POST', '/v2/team/app/blobs/uploads/', stranger), 401);
  assert.equal(await status('GET', '/v2/team/other/manifests/1', stranger), 401);
  const user = await tokenFor('repository:team/app:pull,push', basic('alice', 'secret'));
  assert.equal(await status('POST', '/v2/team/app/blobs/uploads/', user), 202);
  assert.equal(await status('DELETE', '/v2/team/app/manifests/1', user), 401);
  assert.equal(await status('GET', '/v2/_catalog', user), 401);
  assert.equal(await status('GET', '/v2/_catalog', await tokenFor('registry:catalog:*', basic('alice', 'secret'))), 200);
  assert.equal(await status('GET', '/v2/_catalog', await tokenFor('registry:catalog:*')), 401);
  assert.equal((await registry.fetch('/token', { headers: basic('alice', 'wrong') })).status, 401);
  await registry.kill();
  await registry.launch();
  assert.equal(await status('POST', '/v2/team/app/blobs/uploads/', user), 202);

  // A blob is mounted only by who may read where it is: for all others it is an upload.
  const bytes = randomBytes(10);
  const secret = await tokenFor('repository:team/secret:pull,push', basic('alice', 'secret'));
  const { headers } = await registry.fetch('/v2/team/secret/blobs/uploads/', { method: 'POST', headers: { authorization: secret } });
  const digest = digestOf(bytes);
  const location = `${headers.get('location')}?digest=${digest}`;
  await registry.fetch(location, { method: 'PUT', headers: { authorization: secret }, body: new Uint8Array(bytes) });
  const mount = `/v2/team/app/blobs/uploads/?mount=${digest}`;
  assert.equal(await status('POST', `${mount}&from=team/secret`, user), 202);
  assert.equal(await status('POST', mount, user), 202);
  const both = await tokenFor('repository:team/app:pull,push repository:team/secret:pull', basic('alice', 'secret'));
  assert.equal(await status('POST', `${mount}&from=team/secret`, both), 201);
});

test('tokens of another server, signed with RSA and with P-256', async () => {
  const pairs = [generateKeyPairSync('rsa', { modulusLength: 2048 }), generateKeyPairSync('ec', { namedCurve: 'P-256' })];
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const flags = (directory: string) => {
    writeFileSync(join(directory, 'keys.pem'), pairs.map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' })).join(''));
    const issuer = ['--token-issuer', 'auth.example'];
    return ['--token-realm', 'https://auth.example/token', '--token-service', 'reg', '--token-key', join(directory, 'keys.pem'), ...issuer];
  };
  await using registry = await BerthRegistry.start({ flags });
  const content = { issuer: 'auth.example', service: 'reg', user: 'x', lifeSeconds: 60 };
  const access = [{ type: 'repository', name: 'a', actions: ['pull'] }];
  const status = async (token: string) =>
    (await registry.fetch('/v2/a/manifests/1', { headers: { authorization: `Bearer ${token}` } })).status;
  for (const { privateKey } of pairs) assert.equal(await status(signToken({ ...content, access }, privateKey)), 404);
  const { privateKey } = pairs[0]!;
  const good = signToken({ ...content, access }, privateKey);
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`;
  const refused = [
    signToken({ ...content, access }, stranger.privateKey),
    signToken({ ...content, access, issuer: 'other' }, privateKey),
    signToken({ ...content, access, service: 'other' }, privateKey),
    signToken({ ...content, access, lifeSeconds: -120 }, privateKey),
    signToken({ ...content, access: [] }, privateKey),
    unsigned,
    good.slice(0, -6),
    'a.b.c',
  ];
  for (const token of refused) assert.equal(await status(token), 401, token);
  const answer = await registry.fetch('/v2/a/manifests/1', { headers: { authorization: `Bearer ${refused[4]}` } });
  assert.equal(
    answer.headers.get('www-authenticate'),
    'Bearer realm="https://auth.example/token",service="reg",scope="repository:a:pull",error="insufficient_scope"',
  );
});

test('read-only refuses every change', async () => {
  await using registry = await BerthRegistry.start({ flags: () => ['--read-only'] });
  for (const [method, path] of [
    ['POST', 'a/blobs/uploads/'],
    ['PUT', 'a/manifests/1'],
    ['DELETE', 'a/manifests/1'],
  ] as const) {
    const answer = await registry.fetch(`/v2/${path}`, { method });
    assert.deepEqual([answer.status, await codeOf(answer)], [405, 'UNSUPPORTED']);
  }
  assert.equal((await registry.fetch('/v2/a/manifests/1')).status, 404);
});

test('TLS: skopeo trusts the authority, and logs in; the certificate is renewed on SIGHUP', async () => {
  const certify = (directory: string) => {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test', '-keyout', 'ca.key', '-out', 'ca.crt');
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=registry', '-keyout', 'tls.key', '-out', 'tls.csr');
    writeFileSync(join(directory, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const signing = ['-req', '-in', 'tls.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext'];
    openssl('x509', ...signing, '-out', 'tls.crt');
  };
  const flags = (directory: string) => {
    certify(directory);
    const tls = ['--tls-cert', join(directory, 'tls.crt'), '--tls-key', join(directory, 'tls.key')];
    return [...htpasswd().flags(directory), ...tls];
  };
  await using registry = await BerthRegistry.start({ flags });
  assert.match(registry.log, /listens on https:/);
  const { directory } = registry;
  const get = (ca: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const [host, port] = registry.host.split(':');
    const options = { host, port, path: '/v2/', ca, agent: false, headers: basic('alice', 'secret') };
    const outgoing = request(options, async (response) => {
      await text(response);
      resolve(response.statusCode ?? 0);
    });
    outgoing.on('error', reject).end();
    return promise;
  };
  const ca = readFileSync(join(directory, 'ca.crt'), 'utf8');
  mkdirSync(join(directory, 'trusted'));
  writeFileSync(join(directory, 'trusted', 'ca.crt'), ca);
  assert.equal(await get(ca), 200);
  const skopeo = (...args: string[]) => run(program('skopeo'), args, { env: { ...process.env, HOME: directory } });
  const listing = ['list-tags', '--cert-dir', join(directory, 'trusted'), `docker://${registry.host}/a`];
  assert.match((await skopeo(...listing)).stderr, /authentication required|unauthorized/);
  const wrong = await skopeo('list-tags', `docker://${registry.host}/a`, '--creds', 'alice:secret');
  assert.match(wrong.stderr, /certificate signed by unknown authority/);
  assert.match((await skopeo(...listing, '--creds', 'alice:secret')).stderr, /repository name not known|name unknown|404/i);

  certify(directory);
  const renewed = readFileSync(join(directory, 'ca.crt'), 'utf8');
  await assert.rejects(get(renewed));
  registry.signal('SIGHUP');
  for (let attempt = 0; attempt < 100 && !(await get(renewed).catch(() => false)); attempt++) await sleep(20);
  assert.equal(await get(renewed), 200);
  await assert.rejects(get(ca));
});
