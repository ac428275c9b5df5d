// Every version of the Engine API from 1.24 to 1.51: each is spoken on every route that has not changed, and what has changed since is in
// the answers of the versions that document it (moby's api/docs/CHANGELOG) and of no other.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';

const VERSIONS = Array.from({ length: 51 - 24 + 1 }, (_, at) => `1.${24 + at}`);

let daemon: Berthd;
before(async () => {
  daemon = await Berthd.start();
  await daemon.importBusybox();
  await daemon.docker(['network', 'create', 'net']);
  await daemon.docker(['create', '--name', 'one', '--hostname', 'host', '--network', 'net', '--annotation', 'a=b', 'busybox']);
});
after(() => daemon[Symbol.asyncDispose]());

function get(path: string): Promise<{ status: number; type: string | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: daemon.socket, path }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], body }), reject);
    });
    call.on('error', reject).end();
  });
}

type Json = Record<string, unknown>;

/** The first and the last version whose answer has something, and how many have. */
async function versionsOf(route: string, has: (answer: never) => boolean): Promise<string> {
  const spoken: string[] = [];
  for (const version of VERSIONS) {
    const { status, body } = await get(`/v${version}${route}`);
    assert.equal(status, 200, `${version} ${route}: ${body}`);
    if (has(JSON.parse(body) as never)) spoken.push(version);
  }
  return spoken.length === 0 ? 'none' : `${spoken[0]}–${spoken.at(-1)} (${spoken.length})`;
}

const since = (minor: number) => `1.${minor}–1.51 (${51 - minor + 1})`;
const until = (minor: number) => `1.24–1.${minor} (${minor - 24 + 1})`;

test('every version is spoken', async () => {
  for (const version of VERSIONS) {
    for (const route of ['/_ping', '/version', '/info', '/containers/json', '/images/json', '/volumes', '/networks', '/system/df']) {
      assert.equal((await get(`/v${version}${route}`)).status, 200, `${version} ${route}`);
    }
  }
});

const FIELDS: [what: string, route: string, has: (answer: never) => boolean, versions: string][] = [
  ['VirtualSize of an image', '/images/busybox/json', (image: Json) => 'VirtualSize' in image, until(43)],
  ['VirtualSize in the list', '/images/json', ([image]: Json[]) => 'VirtualSize' in (image as Json), until(43)],
  ['VirtualSize in the disk usage', '/system/df', ({ Images: [image] }: { Images: Json[] }) => 'VirtualSize' in (image as Json), until(43)],
  ['BuilderSize', '/system/df', (usage: Json) => 'BuilderSize' in usage, until(41)],
  ['Descriptor of an image', '/images/busybox/json', (image: Json) => 'Descriptor' in image, since(48)],
  ['Descriptor in the list', '/images/json', ([image]: Json[]) => 'Descriptor' in (image as Json), since(48)],
  ['Containers of an image', '/images/json', ([image]: { Containers: number }[]) => image?.Containers === 1, since(51)],
  ["a container's settings in an image", '/images/busybox/json', ({ Config }: { Config: Json }) => 'AttachStdin' in Config, until(49)],
  ['Cmd of an image', '/images/busybox/json', ({ Config }: { Config: Json }) => 'Cmd' in Config && 'WorkingDir' in Config, since(24)],
  [
    'Annotations in the list',
    '/containers/json?all=1',
    ([one]: { HostConfig: Json }[]) => one?.HostConfig.Annotations !== undefined,
    since(46),
  ],
  [
    "a container's hostname among its aliases",
    '/containers/one/json',
    ({ NetworkSettings }: { NetworkSettings: { Networks: { net: { Aliases: string[] | null } } } }) =>
      NetworkSettings.Networks.net.Aliases?.includes('host') === true,
    until(44),
  ],
  ['Containerd', '/info', (info: Json) => 'Containerd' in info, since(46)],
  ['Expected of a commit', '/info', ({ RuncCommit }: { RuncCommit: Json }) => 'Expected' in RuncCommit, until(48)],
  ['BridgeNfIptables', '/info', (info: Json) => info.BridgeNfIptables === false, until(49)],
  [
    'AllowNondistributableArtifactsCIDRs',
    '/info',
    ({ RegistryConfig }: { RegistryConfig: Json }) => 'AllowNondistributableArtifactsCIDRs' in RegistryConfig,
    until(46),
  ],
  [
    'options with names',
    '/info',
    ({ SecurityOptions }: { SecurityOptions: string[] }) => SecurityOptions[0]?.startsWith('name=') === true,
    since(25),
  ],
];

for (const [what, route, has, versions] of FIELDS) {
  test(what, async () => {
    assert.equal(await versionsOf(route, has), versions);
  });
}

test('from 1.42 on a log says that it is in frames', async () => {
  for (const version of VERSIONS) {
    const { type } = await get(`/v${version}/containers/one/logs?stdout=1`);
    assert.equal(type, `application/vnd.docker.${Number(version.slice(2)) >= 42 ? 'multiplexed' : 'raw'}-stream`, version);
  }
});

test('from 1.46 on images that are made are told of', async () => {
  const { stdout } = await daemon.docker(['commit', 'one', 'made']);
  const now = Math.floor(Date.now() / 1000) + 1;
  for (const version of VERSIONS) {
    const { body } = await get(
      `/v${version}/events?since=1&until=${now}&filters=${encodeURIComponent('{"event":["create"],"type":["image"]}')}`,
    );
    assert.equal(body.includes(stdout.trim()), Number(version.slice(2)) >= 46, version);
  }
});
