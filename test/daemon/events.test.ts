// The same story told by Debian's dockerd and by berthd: the same actions in the same order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDockerd } from '../bench/dockerd.ts';
import { Berthd } from '../harness/berthd.ts';
import { dockerClient, run } from '../harness/programs.ts';

/** Each line is one command; `!` marks those that fail. */
const STORY = `
run --name one busybox sh -c exit$IFS\\3
rm one
run -d --name two busybox sleep 60
exec two true
exec -d two sleep 0
rename two second
pause second
unpause second
update --memory 64m --memory-swap 64m second
kill -s WINCH second
restart -t 0 second
top second
stop -t 0 second
start second
kill second
rm second
create --name three -v /anonymous busybox true
rm -v three
run --rm --name four busybox true
run --name five busybox /no/such
rm five
volume create data
run --rm -v data:/data busybox true
volume rm data
network create net
run -d --name six --network net busybox sleep 60
network disconnect net six
network connect net six
rm -f six
network rm net
tag busybox other:1
rmi other:1
commit second:1
create --name seven busybox true
container prune -f
volume prune -f
network prune -f
image prune -f
`;

async function tell(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const since = String(Date.now() / 1000);
  for (const line of STORY.trim().split('\n')) {
    await run(dockerClient(), line.split(' '), { env: environment, timeout: 30_000 });
    await sleep(150);
  }
  const until = String(Date.now() / 1000);
  const format = '{{.Type}} {{.Action}} {{range $k, $v := .Actor.Attributes}}{{$k}} {{end}}';
  const { stdout } = await run(dockerClient(), ['events', '--since', since, '--until', until, '--format', format], { env: environment });
  // Newer than Debian's dockerd is the time of a run. It tells of volumes that exist as if they were made, and of some
  // disconnections twice.
  const lines = stdout.replaceAll('execDuration ', '').trim().split('\n');
  return lines.filter((line, at) => !/^(volume create|network disconnect) /.test(line) || lines[at - 1] !== line);
}

test('berthd and dockerd tell the same', { timeout: 120_000 }, async (context) => {
  const dockerd = await startDockerd();
  if (typeof dockerd === 'string') {
    context.skip(dockerd);
    return;
  }
  await using theirs = dockerd;
  await using ours = await Berthd.start();
  await ours.importBusybox();
  const [expected, told] = await Promise.all([tell(theirs.environment), tell(ours.environment)]);
  for (const type of ['container', 'image', 'volume', 'network']) {
    const of = (lines: string[]) => lines.filter((line) => line.startsWith(`${type} `));
    assert.deepEqual(of(told), of(expected));
  }
});
