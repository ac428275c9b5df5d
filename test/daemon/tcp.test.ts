// The daemon on TCP, plain and with TLS, and the clients' ways to name it: -H, the TLS flags, DOCKER_TLS_VERIFY, contexts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { dockerClient, ROOT, run } from '../harness/programs.ts';

const certificates = mkdtempSync(join(tmpdir(), 'berth-test-tls-'));
const file = (name: string) => join(certificates, name);
const programs = { docker: dockerClient(), berth: join(ROOT, 'bin', 'berth') };
let daemon: Berthd;

before(async () => {
  authority('ca');
  certificate('server', 'ca', 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n');
  certificate('client', 'ca', 'extendedKeyUsage=clientAuth\n');
  authority('other-ca');
  certificate('stranger', 'other-ca', 'extendedKeyUsage=clientAuth\n');
  const keys = ['--tlscacert', file('ca.pem'), '--tlscert', file('server.pem'), '--tlskey', file('server-key.pem')];
  daemon = await Berthd.start({ flags: ['-H', 'tcp://127.0.0.1:2376', '--tlsverify', ...keys] });
  await daemon.importBusybox();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(certificates, { recursive: true, force: true });
});

const tls = (name: string) => ['--tlscacert', file('ca.pem'), '--tlscert', file(`${name}.pem`), '--tlskey', file(`${name}-key.pem`)];

/** Runs a client in the daemon's network, with nothing but its arguments and `env` to say where the daemon is. */
const client = (which: keyof typeof programs, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  daemon.inNetwork(() =>
    run(programs[which], args, { env: { ...daemon.environment, DOCKER_HOST: undefined, ...env }, input: 'input\n', timeout: 20_000 }),
  );

for (const which of ['docker', 'berth'] as const) {
  test(`${which}: runs over TLS with a certificate of the authority, streams included`, async () => {
    const global = ['--tlsverify', ...tls('client'), '-H', 'tcp://127.0.0.1:2376'];
    const ran = await client(which, [...global, 'run', '-i', '--rm', 'busybox', 'sh', '-c', 'cat; exit 3']);
    assert.deepEqual([ran.code, ran.stdout], [3, 'input\n'], ran.stderr);
  });

  test(`${which}: no certificate, a stranger's, and a server that nobody vouches for are refused`, async () => {
    const to = ['-H', 'tcp://127.0.0.1:2376'];
    const without = await client(which, [...to, 'version', '--format', '{{.Server.Version}}']);
    assert.notEqual(without.code, 0);
    const stranger = await client(which, ['--tlsverify', ...tls('stranger'), ...to, 'ps']);
    assert.notEqual(stranger.code, 0);
    assert.match(stranger.stderr, /tls|certificate|TLS|socket/i);
    const unproven = await client(which, ['--tlsverify', ...tls('client').with(1, file('other-ca.pem')), ...to, 'ps']);
    assert.notEqual(unproven.code, 0);
    assert.match(unproven.stderr, /certificate/i);
  });

  test(`${which}: the environment and contexts name the daemon and its certificates`, async () => {
    const config = join(certificates, `config-${which}`);
    const parts = `host=tcp://127.0.0.1:2376,ca=${file('ca.pem')},cert=${file('client.pem')},key=${file('client-key.pem')}`;
    const created = await client('docker', ['context', 'create', 'far', '--docker', parts], { DOCKER_CONFIG: config });
    assert.equal(created.code, 0, created.stderr);
    for (const [args, env] of [
      [[], { DOCKER_CONTEXT: 'far', DOCKER_CONFIG: config }],
      [['--context', 'far'], { DOCKER_CONFIG: config }],
      [tls('client'), { DOCKER_HOST: 'tcp://127.0.0.1:2376', DOCKER_TLS_VERIFY: '1' }],
    ] as const) {
      const listed = await client(which, [...args, 'images', '--format', '{{.Repository}}'], env);
      assert.deepEqual([listed.code, listed.stdout], [0, 'busybox\n'], listed.stderr);
    }
    const missing = await client(which, ['--context', 'nowhere', 'ps'], { DOCKER_CONFIG: config });
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /context "?nowhere"?.* not found/);
  });
}

test('plain TCP', async () => {
  await using plain = await Berthd.start({ flags: ['-H', 'tcp://127.0.0.1:2375'] });
  for (const program of Object.values(programs)) {
    const env = { ...plain.environment, DOCKER_HOST: 'tcp://127.0.0.1:2375' };
    const answer = await plain.inNetwork(() => run(program, ['version', '--format', '{{.Server.APIVersion}}'], { env, timeout: 20_000 }));
    assert.deepEqual([answer.code, answer.stdout], [0, '1.51\n'], answer.stderr);
  }
});

function authority(name: string): void {
  const subject = ['-subj', `/CN=${name}`, '-days', '2', '-nodes'];
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    ...subject,
    '-keyout',
    file(`${name}-key.pem`),
    '-out',
    file(`${name}.pem`),
  );
}

function certificate(name: string, by: string, extensions: string): void {
  writeFileSync(file(`${name}.ext`), extensions);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file(`${name}-key.pem`)];
  openssl('req', ...key, '-subj', `/CN=${name}`, '-out', file(`${name}.csr`));
  const signer = ['-CA', file(`${by}.pem`), '-CAkey', file(`${by}-key.pem`), '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', file(`${name}.csr`), ...signer, '-extfile', file(`${name}.ext`), '-out', file(`${name}.pem`));
}

function openssl(...args: string[]): void {
  const { status, stderr, error } = spawnSync('openssl', args, { encoding: 'utf8' });
  assert.equal(status, 0, `openssl ${args[0]}: ${error?.message ?? stderr} (apt-get install openssl)`);
}
