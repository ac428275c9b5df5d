// --registry-mirror and --insecure-registry: Docker Hub's images out of a mirror, and a registry with a certificate of its own making.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { createServer } from 'node:https';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { storeImage } from './test-image.ts';

const NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];
const NAME = 'registry.test.invalid';

test('Docker Hub’s images come from the mirror', async () => {
  await using registry = await startRegistry();
  await storeImage(`${registry.host}/library/mirrored:1`, { family: 'docker', layers: [[{ name: 'a', body: 'a' }]] });
  await using daemon = await Berthd.start({ hostNetwork: true, flags: [...NETWORK, '--registry-mirror', `http://${registry.host}`] });
  const pulled = await daemon.docker(['pull', 'mirrored:1']);
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.match(pulled.stdout, /^1: Pulling from library\/mirrored\n[\s\S]*Status: Downloaded newer image for mirrored:1\n/);
});

test('a registry with a self-made certificate is refused, or accepted when it is called insecure', async (t) => {
  const address = machineAddress();
  if (address === undefined) return t.skip('this machine has no address but loopback, and loopback is trusted');
  if (!hasOpenssl()) return t.skip('openssl is not installed: nothing else here makes certificates');
  await using registry = await startRegistry();
  await storeImage(`${registry.host}/app:1`, { family: 'oci', layers: [[{ name: 'a', body: 'a' }]] });
  await using proxy = await encrypted(registry, address);
  const name = `${address}:${proxy.port}/app:1`;
  {
    await using strict = await Berthd.start({ hostNetwork: true, flags: NETWORK });
    const refused = await strict.docker(['pull', name]);
    assert.match(refused.stderr, /tls: failed to verify certificate: x509: certificate signed by unknown authority/);
  }
  await using lenient = await Berthd.start({ hostNetwork: true, flags: [...NETWORK, '--insecure-registry', `${address}/32`] });
  const pulled = await lenient.docker(['pull', name]);
  assert.equal(pulled.code, 0, pulled.stderr);
});

function machineAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version']).status === 0;
}

/** HTTPS in front of the registry, on one address of the machine. */
async function encrypted(registry: RegistryProcess, address: string): Promise<{ port: number } & AsyncDisposable> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-cert-'));
  const files = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') };
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${NAME}`, '-keyout', files.key, '-out', files.cert],
    { stdio: 'ignore' },
  );
  const server = createServer({ key: readFileSync(files.key), cert: readFileSync(files.cert) }, (incoming, response) => {
    const outgoing = plainRequest(
      `http://${registry.host}${incoming.url}`,
      { method: incoming.method, headers: incoming.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true, force: true });
  };
  return { port: (server.address() as { port: number }).port, [Symbol.asyncDispose]: close };
}
