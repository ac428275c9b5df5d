// Any process of the engine dies by SIGKILL at a random moment of a run. Whatever starts next must repair what is left: every container is
// listed, removable and truthful about its state, a new one runs, and in the end nothing remains.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Berthd } from '../harness/berthd.ts';
import { assertRepaired, strays, type Victim, victims } from './repair.ts';

const ROUNDS = Number(process.env.BERTH_FAULT_ROUNDS ?? 6);

describe('SIGKILL at any moment of a run', () => {
  let daemon: Berthd;
  before(async () => {
    daemon = await Berthd.start();
    await daemon.importBusybox();
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
  });

  for (const victim of ['berthd', 'berth-lifecycle', 'zygote', 'shim'] as const) {
    test(`${victim}: ${ROUNDS} moments`, async () => {
      await daemon.docker(['run', '-d', '--name', `witness-${victim}`, 'busybox', 'sleep', '600']);
      const { stdout: pid } = await daemon.docker(['inspect', '-f', '{{.State.Pid}}', `witness-${victim}`]);
      for (let round = 0; round < ROUNDS; round++) await oneRound(daemon, victim, round);
      // A container that had nothing to do with it lives on, unless it was its own shim that died.
      if (victim !== 'shim') {
        assert.ok(existsSync(`/proc/${pid.trim()}`), 'the witness is alive');
        assert.equal((await daemon.docker(['exec', `witness-${victim}`, 'echo', 'here'])).stdout, 'here\n', daemon.log.slice(-3000));
      }
      assert.equal((await daemon.docker(['rm', '-f', `witness-${victim}`])).code, 0);
    });
  }

  test('nothing is left of any of it', async () => {
    await daemon.docker(['run', '--rm', 'busybox', 'true']);
    assert.equal((await daemon.docker(['ps', '-aq'])).stdout, '');
    for (let waited = 0; waited < 3000 && strays(daemon).length > 0; waited += 50) await sleep(50);
    assert.deepEqual(strays(daemon), []);
  });
});

async function oneRound(daemon: Berthd, victim: Victim, round: number): Promise<void> {
  const name = `round-${victim}-${round}`;
  const running = daemon.docker(['run', '--name', name, 'busybox', 'sh', '-c', 'echo started; sleep 0.05; exit 3'], { timeout: 20_000 });
  await sleep(Math.random() * 120);
  for (const pid of victims(daemon)[victim]) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  if (victim === 'berthd') {
    await daemon.kill();
    await daemon.launch();
  }
  await running;
  await assertRepaired(daemon, name);
}
