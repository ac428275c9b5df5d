// SIGKILL to the service at any moment of a creation: the next start makes the state whole, and the same container can be run.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { eventually, Laboratory } from './laboratory.ts';

/** Milliseconds after the request for a task; a creation takes 10 to 60. */
const MOMENTS = [0, 4, 10, 20, 50];

test('the service is killed while it makes a task', async (t) => {
  const lab = await Laboratory.open(t);
  const name = basename(lab.directory);
  for (const moment of MOMENTS) {
    const id = await lab.container('sleep 100');
    // Warm, so that the moments fall into the creation.
    await eventually(() => processes('berth-zygote').length > 0, 'the zygote');
    const creation = lab.tasks.create({ containerId: id }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, moment));
    await lab.stop('SIGKILL');
    await creation;
    await lab.start();
    const { tasks } = await lab.tasks.list({});
    for (const task of tasks) assert.equal(task.status, Status.CREATED, `${task.id} after ${moment} ms`);
    if (tasks.length === 0) await lab.tasks.create({ containerId: id });
    await lab.tasks.start({ containerId: id });
    // A moment ago init still had its shim's command line.
    await eventually(() => processes(`berth-shim lab/${name}`).length === 1, `one shim, after ${moment} ms`);
    await lab.remove(id);
    await eventually(() => processes(`berth-shim lab/${name}`).length === 0, `the end of the shims, after ${moment} ms`);
  }
});

/** Processes whose command line begins so. */
function processes(command: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(command);
      } catch {
        return false;
      }
    });
}
