import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { duration } from './kinds.ts';
import { printConfig } from './print.ts';
import { defaultConfig, readConfig } from './read.ts';

const directory = mkdtempSync(join(tmpdir(), 'berth-config-'));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

test('what is printed is read again as it was, without a warning', () => {
  assert.deepEqual(readConfig(file('default.toml', printConfig(defaultConfig()))), { config: defaultConfig(), warnings: [] });
  const other = { ...defaultConfig(), scheduleDelay: 90_000, runtimeAliases: { 'a.b': 'c.d' }, overlayOptions: ['volatile'], socketGid: 7 };
  assert.deepEqual(readConfig(file('other.toml', printConfig(other))).config, other);
});

test("a file of Debian's containerd, with what is not known named", () => {
  const { config, warnings } = readConfig(
    file(
      'debian.toml',
      `version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.internal.v1.restart"]
    interval = "1m30s"
[grpc]
  address = "/a.sock"
  colour = "blue"
`,
    ),
  );
  assert.deepEqual([config.address, config.hostDirectories, config.restartInterval], ['/a.sock', '/etc/containerd/certs.d', 90_000]);
  const path = join(directory, 'debian.toml');
  assert.deepEqual(warnings, [
    `${path}:5: plugins."io.containerd.grpc.v1.cri".cni is not known to berth-lifecycle and has no effect`,
    `${path}:13: grpc.colour is not known to berth-lifecycle and has no effect`,
  ]);
});

test('values of the wrong kind are refused with their line', () => {
  for (const [text, expected] of [
    ['version = 3\n[grpc]\nuid = "root"\n', /wrong\.toml:3: grpc\.uid must be a whole number/],
    [
      '[plugins."io.containerd.gc.v1.scheduler"]\n\nschedule_delay = "soon"\n',
      /:3: plugins\."io\.containerd\.gc\.v1\.scheduler"\.schedule_delay must be a duration/,
    ],
    ['[debug]\nlevel = "loud"\n', /:2: debug\.level must be one of "trace"/],
    ['root = "/a"\nversion = 4\n', /:2: expected containerd config version equal to or less than 3, got 4/],
    ['disabled_plugins = ["a",\n 1]\n', /:2: disabled_plugins must be an array of strings/],
    ['root = /a\n', /wrong\.toml:1: /],
  ] as const) {
    const path = file('wrong.toml', text);
    assert.throws(() => readConfig(path), { kind: 'InvalidArgument', message: expected });
  }
  assert.throws(() => readConfig(join(directory, 'none')), { kind: 'InvalidArgument' });
});

test('imports: by pattern, over the file that imports them, each once', () => {
  mkdirSync(join(directory, 'conf.d'));
  file('conf.d/1.toml', 'version = 2\nroot = "/one"\nstate = "/one"\nimports = ["../main.toml"]\n');
  file('conf.d/2.toml', 'version = 2\nstate = "/two"\noom_score = -5\n');
  const { config } = readConfig(file('main.toml', 'version = 2\nroot = "/main"\nimports = ["conf.d/*.toml"]\n'));
  assert.deepEqual([config.root, config.state, config.oomScore], ['/one', '/two', -5]);
});

test('durations are read as Go writes them', () => {
  assert.deepEqual(
    ['500ms', '10s', '1m30s', '1.5h', '0s', 0, '10', 'x', '1d'].map((value) => duration.read(value)),
    [500, 10_000, 90_000, 5_400_000, 0, 0, undefined, undefined, undefined],
  );
});
