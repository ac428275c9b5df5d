import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HostDirectory } from './host-directory.ts';

const root = mkdtempSync(join(tmpdir(), 'berth-hosts-'));
after(() => rmSync(root, { recursive: true }));

test('mirrors come before the server, each with its own settings', async () => {
  mkdirSync(join(root, 'docker.io'));
  writeFileSync(join(root, 'docker.io', 'ca.pem'), 'PEM');
  writeFileSync(
    join(root, 'docker.io', 'hosts.toml'),
    `# comment
server = "https://registry-1.docker.io"

[host."http://mirror.local:5000/hub"]
  capabilities = ["pull", # inside
    "resolve"]
  skip_verify = true
  ca = 'ca.pem'
  [host."http://mirror.local:5000/hub".header]
    x-team = ["a", "b"]
`,
  );
  const [mirror, upstream] = await new HostDirectory(root).hostsFor('docker.io');
  assert.deepEqual(mirror, {
    host: 'mirror.local:5000',
    scheme: 'http',
    path: '/hub/v2',
    plainFallback: true,
    tls: { ca: ['PEM'], skipVerify: true },
    headers: { 'x-team': 'a, b' },
    may: { pull: true, resolve: true, push: false },
  });
  assert.equal(upstream?.host, 'registry-1.docker.io');
  assert.equal(upstream?.path, '/v2');
});

test('certificates alone, a port in the name, and nothing at all', async () => {
  mkdirSync(join(root, 'r.example_443_'));
  writeFileSync(join(root, 'r.example_443_', 'ca.crt'), 'CA');
  const hosts = new HostDirectory(root);
  assert.deepEqual((await hosts.hostsFor('r.example:443'))[0]?.tls, { ca: ['CA'] });
  assert.equal((await hosts.hostsFor('other.example'))[0]?.host, 'other.example');
});
