// The token protocol against a small registry and token server on loopback, over real HTTP.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { MEDIA_TYPE } from '../image-spec.ts';
import { parseReference } from '../reference.ts';
import type { Credentials } from './credentials.ts';
import { ConfiguredHosts } from './host.ts';
import { Repository } from './repository.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

async function serve(answer: Answer): Promise<{ host: string } & AsyncDisposable> {
  const server = createServer((request, response) => answer(request, response, new URL(request.url ?? '/', 'http://x')));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { host: `127.0.0.1:${(server.address() as { port: number }).port}`, [Symbol.asyncDispose]: close };
}

function open(host: string, credentials?: Credentials): Promise<Repository> {
  return Repository.open({
    reference: parseReference(`${host}/team/app`),
    hosts: new ConfiguredHosts(),
    credentials: async () => credentials,
  });
}

function manifest(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': MEDIA_TYPE.ociManifest }).end('{}');
}

test('a bearer token is fetched once for parallel requests, and again when it is revoked', async () => {
  let valid = 'one';
  const fetched: string[] = [];
  await using peer = await serve((request, response, url) => {
    if (url.pathname === '/token') {
      fetched.push(`${url.searchParams.getAll('scope')} ${url.searchParams.get('service')} ${request.headers.authorization}`);
      response.end(JSON.stringify({ token: valid, expires_in: 300 }));
    } else if (request.headers.authorization === `Bearer ${valid}`) manifest(response);
    else {
      const challenge = `Bearer realm="http://${request.headers.host}/token",service="s",scope="repository:team/app:pull"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    }
  });
  using repository = await open(peer.host, { kind: 'password', username: 'u', password: 'p' });
  await Promise.all(Array.from({ length: 5 }, () => repository.manifest('latest')));
  const basic = `Basic ${Buffer.from('u:p').toString('base64')}`;
  assert.deepEqual(fetched, [`repository:team/app:pull s ${basic}`]);
  valid = 'two';
  await repository.manifest('latest');
  assert.equal(fetched.length, 2);
});

test('an identity token is exchanged by POST', async () => {
  let form = '';
  await using peer = await serve(async (request, response, url) => {
    if (url.pathname === '/token') {
      for await (const chunk of request) form += chunk;
      response.end(JSON.stringify({ access_token: 't' }));
    } else if (request.headers.authorization === 'Bearer t') manifest(response);
    else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="s"` }).end();
  });
  using repository = await open(peer.host, { kind: 'identity-token', token: 'refresh' });
  await repository.manifest('latest');
  assert.equal(form, 'grant_type=refresh_token&refresh_token=refresh&client_id=berth&scope=repository%3Ateam%2Fapp%3Apull&service=s');
});

test('a redirect to another origin carries no credentials, a broken body is taken up where it broke', async () => {
  const bytes = Buffer.from('0123456789'.repeat(1000));
  const ranges: (string | undefined)[] = [];
  await using bucket = await serve((request, response) => {
    assert.equal(request.headers.authorization, undefined);
    ranges.push(request.headers.range);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, { 'content-length': bytes.length - from });
    response.write(bytes.subarray(from, from + 4000), () => setTimeout(() => (from >= 8000 ? response.end() : response.destroy()), 10));
  });
  await using peer = await serve((request, response) => {
    if (request.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else response.writeHead(307, { location: `http://${bucket.host}/bytes` }).end();
  });
  using repository = await open(peer.host, { kind: 'password', username: 'u', password: 'p' });
  const descriptor = { mediaType: 'x/y', digest: `sha256:${'0'.repeat(64)}` as const, size: bytes.length };
  const read = await buffer(repository.blob(descriptor));
  assert.ok(read.equals(bytes));
  assert.deepEqual(ranges, [undefined, 'bytes=4000-', 'bytes=8000-']);
});

test('a passing failure is tried again, a lasting one is not', async () => {
  let asked = 0;
  await using peer = await serve((_request, response) => {
    asked++;
    if (asked === 1) response.writeHead(503, { 'retry-after': '0' }).end();
    else if (asked === 2) manifest(response);
    else
      response.writeHead(403).end(JSON.stringify({ errors: [{ code: 'DENIED', message: 'requested access to the resource is denied' }] }));
  });
  using repository = await open(peer.host);
  await repository.manifest('latest');
  await assert.rejects(repository.manifest('latest'), {
    kind: 'PermissionDenied',
    message: 'denied: requested access to the resource is denied',
  });
  assert.equal(asked, 3);
});
