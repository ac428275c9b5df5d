import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCommandLine } from './command-line.ts';
import { configOf, loadOptions } from './config.ts';
import { parseSize } from './size.ts';

test('the spellings of pflag', () => {
  assert.deepEqual(
    parseCommandLine(['-H', 'unix:///a', '-Htcp://b:1', '--host=unix:///c', '-D', '--iptables=false', '--data-root', '/x']),
    {
      host: ['unix:///a', 'tcp://b:1', 'unix:///c'],
      debug: true,
      iptables: false,
      'data-root': '/x',
    },
  );
});

test('mistakes are named', () => {
  assert.throws(() => parseCommandLine(['--nope']), { message: 'unknown flag: --nope' });
  assert.throws(() => parseCommandLine(['-H']), { message: 'flag needs an argument: -H' });
  assert.throws(() => parseCommandLine(['--mtu', 'x']), /invalid argument "x" for "--mtu"/);
  assert.throws(() => parseCommandLine(['serve']), /unexpected argument "serve"/);
});

test('the file fills in, and a directive given twice is an error', () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-config-'));
  try {
    const file = join(directory, 'daemon.json');
    writeFileSync(
      file,
      '{"hosts":["unix:///f"],"debug":true,"runtimes":{"crun":{"path":"/usr/bin/crun"}},"default-ulimits":{"nofile":{"Name":"nofile","Soft":1,"Hard":2}}}',
    );
    const config = configOf(loadOptions(['--config-file', file, '-H', 'tcp://127.0.0.1:1']));
    assert.deepEqual(config.hosts, ['unix:///f', 'tcp://127.0.0.1:1']);
    assert.equal(config.logLevel, 'debug');
    assert.deepEqual(config.runtimes, { crun: '/usr/bin/crun' });
    assert.deepEqual(config.ulimits, [{ Name: 'nofile', Soft: 1, Hard: 2 }]);
    assert.throws(() => loadOptions(['--config-file', file, '-D']), /specified both as a flag and in the configuration file: debug/);
    writeFileSync(file, '{"nope":1}');
    assert.throws(() => loadOptions(['--config-file', file]), /don't match any configuration option: nope/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('sizes', () => {
  assert.deepEqual(['64m', '1.5g', '12', '1KiB', '2kb'].map(parseSize), [64 << 20, 1.5 * 2 ** 30, 12, 1024, 2048]);
  assert.throws(() => parseSize('many'), { message: "invalid size: 'many'" });
});
