// The daemon's side of Docker's plugin protocol against plugins that are well, late, slow, or mean it badly.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { PluginClient } from './plugin-client.ts';
import { VolumePlugins } from './volume-plugins.ts';

let directory: string;
let plugins: VolumePlugins;
const servers: Server[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'berth-plugins-'));
  plugins = new VolumePlugins(directory);
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
  rmSync(directory, { recursive: true });
});

async function listen(server: Server, where: string | number): Promise<Server> {
  servers.push(server);
  await new Promise<void>((resolve) =>
    typeof where === 'string' ? server.listen(where, resolve) : server.listen(where, '127.0.0.1', resolve),
  );
  return server;
}

/** Answers Activate as a volume driver should, and everything else by `rest`. */
const driver =
  (rest: RequestListener): RequestListener =>
  (request, response) => {
    if (request.url === '/Plugin.Activate') response.end('{"Implements":["VolumeDriver"]}');
    else rest(request, response);
  };
const listsOne = driver((_, response) => response.end('{"Volumes":[{"Name":"one"}]}'));
const names = async (name: string) => (await (await plugins.find(name)).list()).map((volume) => volume.Name);

test('found by socket, spec and JSON, each also in a directory of its name', async () => {
  await listen(createServer(listsOne), join(directory, 'a.sock'));
  mkdirSync(join(directory, 'b'));
  await listen(createServer(listsOne), join(directory, 'b/b.sock'));
  const server = await listen(createServer(listsOne), 0);
  const address = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(join(directory, 'c.spec'), `${address}\n`);
  mkdirSync(join(directory, 'd'));
  writeFileSync(join(directory, 'd/d.spec'), address);
  writeFileSync(join(directory, 'e.json'), JSON.stringify({ Name: 'e', Addr: address }));
  for (const name of ['a', 'b', 'c', 'd', 'e']) assert.deepEqual(await names(name), ['one']);
  for (const name of ['nosuch', '../a', 'a/b', '']) await assert.rejects(plugins.find(name), /plugin ".*" not found/);
  writeFileSync(join(directory, 'f.json'), '{');
  await assert.rejects(plugins.find('f'), /f\.json, which describes the plugin f, is no JSON/);
  writeFileSync(join(directory, 'g.spec'), 'ftp://x');
  await assert.rejects(plugins.find('g'), /the plugin g has the address "ftp:\/\/x": use unix:/);
});

test('TLS as the JSON says: a CA, a client certificate, or no check', async (context) => {
  if (spawnSync('openssl', ['version']).status !== 0) return context.skip('openssl is not installed: nothing else here makes certificates');
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=plugin'];
  assert.equal(spawnSync('openssl', [...words, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]).status, 0);
  const [ca, own] = [readFileSync(cert), readFileSync(key)];
  const server = await listen(createTlsServer({ key: own, cert: ca, ca, requestCert: true, rejectUnauthorized: true }, listsOne), 0);
  const Addr = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const write = (name: string, TLSConfig: object) => writeFileSync(join(directory, `${name}.json`), JSON.stringify({ Addr, TLSConfig }));
  write('right', { CAFile: cert, CertFile: cert, KeyFile: key });
  assert.deepEqual(await names('right'), ['one']);
  write('unchecked', { InsecureSkipVerify: true, CertFile: cert, KeyFile: key });
  assert.deepEqual(await names('unchecked'), ['one']);
  write('stranger', { CertFile: cert, KeyFile: key });
  await assert.rejects(plugins.find('stranger'), /Plugin\.Activate: self-signed certificate/);
  write('nobody', { CAFile: cert });
  await assert.rejects(plugins.find('nobody'), /Plugin\.Activate: /);
});

test('one that is being started is waited for; one that failed once is asked again', async () => {
  const socket = join(directory, 'late.sock');
  writeFileSync(join(directory, 'late.spec'), `unix://${socket}`);
  const asked = names('late');
  setTimeout(() => void listen(createServer(listsOne), socket), 200);
  assert.deepEqual(await asked, ['one']);
  let attempts = 0;
  await listen(
    createServer((request, response) => {
      if (request.url === '/Plugin.Activate' && ++attempts === 1) response.writeHead(500).end('not yet');
      else listsOne(request, response);
    }),
    join(directory, 'once.sock'),
  );
  await assert.rejects(plugins.find('once'), /Plugin\.Activate: not yet/);
  assert.deepEqual(await names('once'), ['one']);
});

test('what answers wrongly is an error that names the call, and harms nobody else', async () => {
  const wrong: Record<string, [RequestListener, RegExp]> = {
    json: [driver((_, response) => response.end('<html>')), /VolumeDriver\.List: its answer is not JSON/],
    error: [driver((_, response) => response.end('{"Err":"the storage is away"}')), /VolumeDriver\.List: the storage is away/],
    status: [driver((_, response) => response.writeHead(404).end()), /VolumeDriver\.List: status 404/],
    hangup: [driver((_, response) => response.destroy()), /VolumeDriver\.List: socket hang up/],
    flood: [
      driver((_, response) => {
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(1 << 20, ' ')));
        };
        response.on('drain', more);
        more();
      }),
      /VolumeDriver\.List: its answer has more than 8 MiB/,
    ],
  };
  for (const [name, [listener]] of Object.entries(wrong)) await listen(createServer(listener), join(directory, `${name}.sock`));
  await listen(
    createServer((_, response) => response.end('{"Implements":["NetworkDriver"]}')),
    join(directory, 'network.sock'),
  );
  await listen(createServer(listsOne), join(directory, 'well.sock'));
  for (const [name, [, words]] of Object.entries(wrong)) await assert.rejects(names(name), words);
  await assert.rejects(plugins.find('network'), /plugin "network" not found/);
  const { answers, silent } = await plugins.askAll((one) => one.list());
  assert.deepEqual(answers, [[{ Name: 'one' }]]);
  assert.deepEqual(silent.sort(), Object.keys(wrong).sort());
});

test('one byte at a time is too slow', async () => {
  const dripping: RequestListener = (_, response) => {
    const timer = setInterval(() => response.write(' '), 10);
    response.on('close', () => clearInterval(timer));
  };
  await listen(createServer(driver(dripping)), join(directory, 'drip.sock'));
  const client = new PluginClient('drip', { socketPath: join(directory, 'drip.sock') });
  await assert.rejects(client.call('VolumeDriver.List', {}, { answer: 300, connect: 0 }), /VolumeDriver\.List: no answer within 0\.3 s/);
});

test('a mount point that is no absolute path is refused; an old plugin’s volumes are local', async () => {
  await listen(createServer(driver((_, response) => response.end('{"Mountpoint":"etc/passwd"}'))), join(directory, 'odd.sock'));
  const odd = await plugins.find('odd');
  await assert.rejects(odd.mount('v', 'c'), /odd gave no absolute path for the volume v/);
  assert.equal(await odd.scope(), 'local');
});
