// Containers that carry containerd.io/restart.* labels: started again when they end, also over a death of the service, and ended where
// that is what the label says.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Introspection } from '@berth/rpc/gen/containerd/services/introspection/v1/introspection';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { eventually } from '../harness/eventually.ts';
import { Laboratory, NAMESPACE } from './laboratory.ts';

const INTERVAL = 100;

async function open(t: TestContext): Promise<{ lab: Laboratory; flags: string[] }> {
  const directory = mkdtempSync('/tmp/berth-restart-');
  t.after(() => rmSync(directory, { recursive: true }));
  const config = join(directory, 'config.toml');
  writeFileSync(config, `version = 3\n[plugins."io.containerd.internal.v1.restart"]\ninterval = "${INTERVAL}ms"\n`);
  const flags = ['--config', config];
  return { lab: await Laboratory.open(t, flags), flags };
}

/** Labels by ctr: nerdctl writes the same ones. */
async function label(lab: Laboratory, id: string, labels: Record<string, string>): Promise<void> {
  const named = Object.entries(labels).map(([name, value]) => `containerd.io/restart.${name}=${value}`);
  const { code, stderr } = await lab.ctr('containers', 'label', id, ...named);
  assert.equal(code, 0, stderr);
}

async function count(lab: Laboratory, id: string): Promise<string | undefined> {
  return (await lab.containers.get({ id })).container?.labels['containerd.io/restart.count'];
}

const starts = (lab: Laboratory, id: string) => lab.topics(id).filter((topic) => topic === '/tasks/start').length;

test('a killed task is started again, its output where the label says, also after the service was killed', async (t) => {
  const { lab, flags } = await open(t);
  const { plugins } = await lab.connection.client(Introspection).plugins({ filters: ['id==restart'] });
  assert.deepEqual(plugins[0]?.capabilities, ['no', 'always', 'on-failure', 'unless-stopped']);

  const id = await lab.run('echo begun; exec sleep 100');
  const log = join(lab.directory, 'out.log');
  await label(lab, id, { status: 'running', policy: 'unless-stopped', loguri: `file://${log}` });
  await lab.tasks.kill({ containerId: id, signal: 9 });
  await eventually(() => starts(lab, id) === 2, 'the second start');
  assert.equal(await count(lab, id), '1');
  await eventually(() => readFileSync(log, 'utf8').includes('begun'), 'the output of the restarted task');

  await lab.stop('SIGKILL');
  const { pid } = JSON.parse(readFileSync(join(lab.bundle(id), 'bootstrap.json'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  await lab.start(flags);
  const running = async () => (await lab.tasks.get({ containerId: id }).catch(() => undefined))?.process?.status === Status.RUNNING;
  const end = Date.now() + 10_000;
  while (!(await running())) {
    assert.ok(Date.now() < end, 'it was not started after the service came back');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(await count(lab, id), '2');

  await label(lab, id, { 'explicitly-stopped': 'true' });
  await lab.tasks.kill({ containerId: id, signal: 9 });
  await lab.tasks.wait({ containerId: id });
  await new Promise((resolve) => setTimeout(resolve, 5 * INTERVAL));
  assert.equal((await lab.tasks.get({ containerId: id })).process?.status, Status.STOPPED);
});

test('on-failure counts, and a container that is to be stopped is ended; the others are left alone', async (t) => {
  const { lab } = await open(t);
  const failing = await lab.run('exit 3');
  await label(lab, failing, { status: 'running', policy: 'on-failure:2' });
  const stopped = await lab.run('exec sleep 100');
  await label(lab, stopped, { status: 'stopped' });
  const plain = await lab.run('exit 1');
  const paused = await lab.run('exec sleep 100');
  await lab.tasks.pause({ containerId: paused });
  await label(lab, paused, { status: 'running', policy: 'always' });

  await eventually(() => starts(lab, failing) === 3, 'two restarts');
  await lab.event('/tasks/delete', stopped);
  await new Promise((resolve) => setTimeout(resolve, 5 * INTERVAL));
  assert.deepEqual([starts(lab, failing), starts(lab, stopped), starts(lab, plain), starts(lab, paused)], [3, 1, 1, 1]);
  assert.equal(await count(lab, failing), '2');
  assert.ok(!lab.output.includes('restart monitor'), lab.output);
  await lab.tasks.resume({ containerId: paused });
  // Its end is not to be the beginning of another: `always` would start it even if it was stopped explicitly.
  await label(lab, paused, { policy: 'no' });
  assert.equal(lab.events.filter(({ namespace }) => namespace !== NAMESPACE).length, 0);
});
