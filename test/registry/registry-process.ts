// Debian's docker-registry as a test's own registry: a free loopback port, a throw-away root, optionally behind HTTP basic.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RegistryProcess extends AsyncDisposable {
  /** 127.0.0.1:<port> */
  readonly host: string;
  /** Where blobs lie: <root>/docker/registry/v2/blobs/sha256/<2>/<hex>/data */
  readonly root: string;
  blobPath(digest: string): string;
}

/** `htpasswd`: the file's content, for basic authentication. `foreignLayers`: takes manifests that name addresses. */
export async function startRegistry(options: { htpasswd?: string; foreignLayers?: boolean } = {}): Promise<RegistryProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-registry-'));
  const port = await freePort();
  const root = join(directory, 'data');
  const auth =
    options.htpasswd === undefined ? [] : ['auth:', '  htpasswd:', '    realm: test', `    path: ${join(directory, 'htpasswd')}`];
  if (options.htpasswd !== undefined) writeFileSync(join(directory, 'htpasswd'), options.htpasswd);
  const config = [
    'version: 0.1',
    'log: { level: error }',
    `storage: { filesystem: { rootdirectory: ${root} }, delete: { enabled: true } }`,
    `http: { addr: "127.0.0.1:${port}" }`,
    ...auth,
    ...(options.foreignLayers ? ['validation: { manifests: { urls: { allow: [".*"] } } }'] : []),
    '',
  ];
  writeFileSync(join(directory, 'config.yml'), config.join('\n'));
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], {
    stdio: 'ignore',
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  const host = `127.0.0.1:${port}`;
  try {
    await Promise.race([answers(host), failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host,
    root,
    blobPath: (digest) => {
      const hex = digest.slice('sha256:'.length);
      return join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function answers(host: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const response = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (response !== undefined) return;
    await sleep(25);
  }
  throw new Error(`docker-registry did not answer on ${host} within 5 s`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
