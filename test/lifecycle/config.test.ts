// The service under containerd's config.toml: what the settings do, and what is said of those that do nothing.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { Content } from '@berth/rpc/gen/containerd/services/content/v1/content';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import { run } from '../harness/programs.ts';
import { Laboratory, LIFECYCLE } from './laboratory.ts';

function configFile(t: TestContext, text: string): string {
  const directory = mkdtempSync('/tmp/berth-config-');
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'config.toml');
  writeFileSync(path, text);
  return path;
}

test('sockets, message sizes, parts that are left out, and another place for a snapshotter', async (t) => {
  const elsewhere = mkdtempSync('/tmp/berth-overlay-');
  t.after(() => rmSync(elsewhere, { recursive: true }));
  const config = configFile(
    t,
    `version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.native", "io.containerd.internal.v1.restart", "io.containerd.grpc.v1.transfer"]
required_plugins = ["io.containerd.snapshotter.v1.overlayfs"]
oom_score = 10
[grpc]
gid = 7
max_recv_message_size = 100000
[ttrpc]
uid = 5
[plugins."io.containerd.snapshotter.v1.overlayfs"]
root_path = "${elsewhere}"
mount_options = ["volatile"]
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "pause"
`,
  );
  const lab = await Laboratory.open(t, ['--config', config]);
  assert.match(lab.output, /config\.toml:14: plugins\.\\"io\.containerd\.grpc\.v1\.cri\\"\.sandbox_image is not known/);
  const modeOf = (path: string) => [statSync(path).uid, statSync(path).gid, (statSync(path).mode & 0o777).toString(8)];
  assert.deepEqual(
    [modeOf(lab.address), modeOf(`${lab.address}.ttrpc`)],
    [
      [0, 7, '660'],
      [5, 0, '600'],
    ],
  );
  const listed = (await lab.ctr('plugins', 'ls')).stdout;
  assert.match(listed, /overlayfs/);
  assert.doesNotMatch(listed, /native|restart|grpc\.v1 +transfer/);
  await assert.rejects(lab.connection.client(Transfer).transfer({}), (error) => isKind(error, 'NotImplemented'));

  const snapshots = lab.connection.client(Snapshots);
  await snapshots.prepare({ snapshotter: 'overlayfs', key: 'a' });
  await snapshots.commit({ snapshotter: 'overlayfs', key: 'a', name: 'base' });
  const { mounts } = await snapshots.prepare({ snapshotter: 'overlayfs', key: 'b', parent: 'base' });
  assert.ok(mounts[0]?.options.includes('volatile'));
  assert.ok(mounts[0]?.options.some((option) => option === `lowerdir=${elsewhere}/snapshots/1/fs`));
  await assert.rejects(snapshots.prepare({ snapshotter: 'native', key: 'c' }), /snapshotter not loaded: native/);
  const labels = { long: 'x'.repeat(4000) };
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`${n}`, labels.long]));
  await assert.rejects(snapshots.prepare({ snapshotter: 'overlayfs', key: 'd', labels: many }), (error) =>
    isKind(error, 'ResourceExhausted'),
  );
});

test('isolated content: a digest alone brings no other namespace its blob', async (t) => {
  for (const policy of ['shared', 'isolated'] as const) {
    const config = configFile(t, `version = 3\n[plugins.'io.containerd.metadata.v1.bolt']\ncontent_sharing_policy = "${policy}"\n`);
    const lab = await Laboratory.open(t, ['--config', config]);
    const content = lab.connection.client(Content);
    const data = Buffer.from('hello');
    const expected = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
    const offsetOf = async (namespace: string, send: boolean) => {
      using write = content.write({ namespace });
      const answers = write[Symbol.asyncIterator]();
      await write.send({ action: 0, ref: 'r', expected, total: 5 });
      const offset = (await answers.next()).value?.offset;
      await write.send({ action: 2, data: send ? data : Buffer.alloc(0), offset: send ? 0 : 5, expected, total: 5 });
      await answers.next();
      return offset;
    };
    assert.equal(await offsetOf('one', true), 0);
    assert.equal(await offsetOf('two', policy === 'isolated'), policy === 'isolated' ? 0 : 5);
    assert.equal((await content.info({ digest: expected }, { namespace: 'two' })).info?.size, 5);
  }
});

test('what cannot be: a required part that is not there, a needed one that is disabled, a value of the wrong kind', async (t) => {
  const state = mkdtempSync('/tmp/berth-refused-');
  t.after(() => rmSync(state, { recursive: true }));
  mkdirSync(join(state, 'root'));
  const start = (text: string) =>
    run(LIFECYCLE, ['--root', join(state, 'root'), '--state', state, '--config', configFile(t, text)], { timeout: 20_000 });
  for (const [text, code, said] of [
    ['required_plugins = ["io.containerd.grpc.v1.cri"]', 1, /required plugin io\.containerd\.grpc\.v1\.cri is not there/],
    ['disabled_plugins = ["io.containerd.content.v1.content"]', 1, /io\.containerd\.content\.v1\.content cannot be disabled/],
    ['[grpc]\nuid = true', 2, /config\.toml:2: grpc\.uid must be a whole number/],
  ] as const) {
    const refused = await start(text);
    assert.equal(refused.code, code, refused.stderr);
    assert.match(refused.stderr, said);
  }
});
