import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { withBothClients } from './both-clients.ts';

withBothClients('commit', {
  'what a container changed becomes an image': async ({ client, unique }) => {
    const [name, image] = [unique(), unique()];
    await client(['run', '--name', name, '-e', 'A=1', 'busybox', 'sh', '-c', 'echo made >/made; rm /etc/group']);
    const flags = ['-a', 'me', '-m', 'by hand', '-c', 'CMD ["cat", "/made"]', '-c', 'LABEL a=b'];
    const committed = await client(['commit', ...flags, name, `${image}:v1`]);
    assert.match(committed.stdout, /^sha256:[0-9a-f]{64}\n$/);
    const format = '{{.Id}} {{.Author}} {{.Comment}} {{.Config.Labels.a}} {{json .Config.Cmd}} {{len .RootFS.Layers}}';
    const inspected = await client(['image', 'inspect', '-f', format, `${image}:v1`]);
    assert.equal(inspected.stdout, `${committed.stdout.trim()} me by hand b ["cat","/made"] 2\n`);
    assert.equal((await client(['run', '--rm', `${image}:v1`])).stdout, 'made\n');
    assert.equal(
      (await client(['run', '--rm', `${image}:v1`, 'sh', '-c', 'echo $A; ls /etc'])).stdout,
      '1\nhostname\nhosts\npasswd\nresolv.conf\n',
    );
    assert.match((await client(['history', `${image}:v1`])).stdout, /by hand\n/);
    await client(['rm', name]);
    await client(['rmi', `${image}:v1`]);
  },
  'a running container goes on, and without a name the image is dangling': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, 'busybox', 'sleep', '60']);
    const id = (await client(['commit', name])).stdout.trim();
    assert.equal((await client(['inspect', '-f', '{{.State.Status}}', name])).stdout, 'running\n');
    assert.equal((await client(['images', '-q', '--no-trunc', '--filter', 'dangling=true'])).stdout.trim(), id);
    await client(['rm', '-f', name]);
    await client(['rmi', id]);
  },
  'the layer has what the container changed, not what the engine made to mount over': async ({ client, daemon, unique }) => {
    const [name, image] = [unique(), unique()];
    await client(['run', '-d', '--name', name, 'busybox', 'sleep', '60']);
    await client(['exec', name, 'sh', '-c', 'echo made >/etc/made; mkdir /run; rm /bin/vi']);
    const archive = join(daemon.directory, `${image}.tar`);
    const layers = async (state: string) => {
      await client(['commit', name, `${image}:${state}`]);
      await client(['save', '-o', archive, `${image}:${state}`]);
      const [{ Layers }] = JSON.parse(execFileSync('tar', ['-xOf', archive, 'manifest.json'], { encoding: 'utf8' }));
      const layer = execFileSync('tar', ['-xOf', archive, Layers.at(-1)]);
      return execFileSync('tar', ['-tzf', '-'], { input: layer, encoding: 'utf8' });
    };
    assert.equal(await layers('running'), 'bin/\nbin/.wh.vi\netc/\netc/made\nrun/\n');
    await client(['kill', name]);
    assert.equal(await layers('stopped'), 'bin/\nbin/.wh.vi\netc/\netc/made\nrun/\n');
    await client(['rm', '-f', name]);
    await client(['rmi', `${image}:running`, `${image}:stopped`]);
  },
  refusals: async ({ client, unique }) => {
    const name = unique();
    await client(['create', '--name', name, 'busybox']);
    for (const [args, message] of [
      [['nosuch', 'x'], /No such container: nosuch/],
      [[name, 'UPPER'], /must be lowercase/],
      [['-c', 'FROM x', name, 'x'], /from is not a valid change command/],
    ] as const) {
      const { code, stderr } = await client(['commit', ...args]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
    }
    await client(['rm', name]);
  },
});
