import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { defaultConfig } from './config/read.ts';
import { parseSettings } from './flags.ts';

test('defaults, flags, and the configuration file below the flags', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-flags-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'config.toml');
  writeFileSync(
    file,
    `version = 2\nroot = "/r"\nstate = '/s'\n[grpc]\n  address = "/a.sock"\n[debug]\nlevel = "warn"\n[plugins."x"]\nroot = "/other"\n`,
  );
  assert.deepEqual(parseSettings([]), {
    ...defaultConfig(),
    address: '/run/berth/lifecycle/lifecycle.sock',
    eventsAddress: '/run/berth/lifecycle/lifecycle.sock.ttrpc',
    traceDir: undefined,
    warnings: [],
  });
  assert.deepEqual(
    parseSettings(['-c', file, '--root', '/flag', '-l', 'debug', '--trace-dir=/t', '--plain-shims', '--runtime-alias', 'a.b=c.d']),
    {
      ...defaultConfig(),
      root: '/flag',
      state: '/s',
      address: '/a.sock',
      eventsAddress: '/a.sock.ttrpc',
      logLevel: 'debug',
      traceDir: '/t',
      plainShims: true,
      runtimeAliases: { 'a.b': 'c.d' },
      warnings: [`${file}:8: plugins.x is not known to berth-lifecycle and has no effect`],
    },
  );
});

test('what is printed instead: the version, and configuration files that are read again', (t) => {
  const printed = (...argv: string[]) => {
    const settings = parseSettings(argv);
    return 'print' in settings ? settings.print : undefined;
  };
  assert.match(printed('--version', '--root', '/x') ?? '', /^berth-lifecycle v/);
  const directory = mkdtempSync(join(tmpdir(), 'berth-flags-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'config.toml');
  writeFileSync(file, printed('config', 'default') ?? '');
  assert.deepEqual(parseSettings(['-c', file]), parseSettings([]));
  writeFileSync(file, printed('--root', '/r', '--state', '/s', 'config', 'dump') ?? '');
  assert.deepEqual(parseSettings(['-c', file]), parseSettings(['--root', '/r', '--state', '/s']));
});

test('what is no command line is refused', () => {
  for (const bad of [
    ['--nonsense'],
    ['extra'],
    ['config', 'migrate'],
    ['--runtime-alias', 'a.b=plain'],
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
