// One container's life through a Docker client: what every pair of client, daemon and lifecycle service must do alike.
import assert from 'node:assert/strict';
import { busyboxRootfs } from '../harness/busybox.ts';
import type { Result, RunOptions } from '../harness/programs.ts';

/** Runs a client against the daemon. */
export type Client = (args: readonly string[], options?: RunOptions) => Promise<Result>;

export async function liveThroughDocker(client: Client, log: () => string = () => ''): Promise<void> {
  const ok = async (args: readonly string[], options?: RunOptions) => {
    const result = await client(args, options);
    assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}\n${log().split('\n').slice(-12).join('\n')}`);
    return result.stdout;
  };
  await ok(['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', '-', 'seam'], { input: busyboxRootfs() });

  // run: streams, exit codes, input.
  const first = await client(['run', '--rm', 'seam', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
  assert.deepEqual([first.code, first.stdout, first.stderr], [7, 'out\n', 'err\n']);
  assert.equal(await ok(['run', '--rm', '-i', 'seam', 'cat'], { input: 'fed\n' }), 'fed\n');
  const missing = await client(['run', '--rm', 'seam', 'no-such-program']);
  assert.equal(missing.code, 127);
  assert.match(missing.stderr, /exec: "no-such-program": executable file not found in \$PATH/);
  assert.equal(await ok(['run', '--rm', '-t', 'seam', 'sh', '-c', '[ -t 1 ] && echo terminal']), 'terminal\r\n');

  // exec, logs, pause, stop, start, rm.
  await ok(['run', '-d', '--name', 'life', 'seam', 'sh', '-c', 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done']);
  const exec = await client(['exec', '-i', 'life', 'sh', '-c', 'cat; exit 5'], { input: 'inside\n' });
  assert.deepEqual([exec.code, exec.stdout], [5, 'inside\n'], exec.stderr);
  assert.equal(await ok(['exec', '-t', 'life', 'sh', '-c', '[ -t 0 ] && echo terminal']), 'terminal\r\n');
  await ok(['pause', 'life']);
  assert.equal(await ok(['inspect', '-f', '{{.State.Status}}', 'life']), 'paused\n');
  await ok(['unpause', 'life']);
  assert.match(await ok(['top', 'life']), /sleep|sh/);
  await ok(['stop', '-t', '5', 'life']);
  assert.equal(await ok(['logs', 'life']), 'up\nbye\n');
  assert.equal(await ok(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'life']), 'exited 0\n');
  await ok(['start', 'life']);
  await ok(['kill', 'life']);
  assert.equal(await ok(['wait', 'life']), '137\n');
  await ok(['rm', 'life']);
  assert.equal(await ok(['ps', '-aq']), '');
}
