import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { parseSettings } from './flags.ts';

test('defaults, flags, and the configuration file below the flags', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-flags-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'config.toml');
  writeFileSync(
    file,
    `version = 2\nroot = "/r"\n# comment\nstate = '/s'\n[grpc]\n  address = "/a.sock" # here\n[debug]\nlevel = "warn"\n[plugins."x"]\nroot = "/other"\n`,
  );
  assert.deepEqual(parseSettings([]), {
    root: '/var/lib/berth/lifecycle',
    state: '/run/berth/lifecycle',
    address: '/run/berth/lifecycle/lifecycle.sock',
    logLevel: 'info',
    traceDir: undefined,
    plainShims: false,
    runtimeAliases: [],
  });
  assert.deepEqual(
    parseSettings(['-c', file, '--root', '/flag', '-l', 'debug', '--trace-dir=/t', '--plain-shims', '--runtime-alias', 'a.b=c.d']),
    {
      root: '/flag',
      state: '/s',
      address: '/a.sock',
      logLevel: 'debug',
      traceDir: '/t',
      plainShims: true,
      runtimeAliases: ['a.b=c.d'],
    },
  );
  assert.equal(parseSettings(['--version', '--root', '/x']), 'version');
});

test('what is no command line is refused', () => {
  for (const bad of [
    ['--nonsense'],
    ['extra'],
    ['-l', 'loud'],
    ['--root'],
    ['-c', '/no/such/file'],
    ['--address', `/${'x'.repeat(200)}`],
  ]) {
    assert.throws(
      () => parseSettings(bad),
      (error) => isKind(error, 'InvalidArgument'),
      bad.join(' '),
    );
  }
});
