import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { openAddress } from './open-address.ts';
import { proxyEnvironment } from './proxy-environment.ts';

const [proxy, direct] = [
  createServer((request, response) => response.end(`for ${request.url}`)),
  createServer((_, response) => response.end('direct')),
];
const portOf = (server: Server) => (server.address() as AddressInfo).port;
const saved = { ...process.env };

before(async () => {
  for (const server of [proxy, direct]) await once(server.listen(0, '127.0.0.1'), 'listening');
  process.env.http_proxy = `http://127.0.0.1:${portOf(proxy)}`;
});
after(() => {
  process.env = saved;
  for (const server of [proxy, direct]) server.close();
});

async function fetched(url: string): Promise<string> {
  using opened = await openAddress(new URL(url), AbortSignal.timeout(10_000));
  return await text(opened.body);
}

test('the proxy is asked for other hosts, and not for this one', async () => {
  assert.equal(await fetched('http://files.example/a.tar?x=1'), 'for http://files.example/a.tar?x=1');
  for (const host of ['127.0.0.1', 'localhost']) assert.equal(await fetched(`http://${host}:${portOf(direct)}/`), 'direct');
});

test('what NO_PROXY names stays out as well', () => {
  assert.match(proxyEnvironment({ NO_PROXY: '.example' }).no_proxy ?? '', /^\.example,localhost,/);
  assert.match(proxyEnvironment({ NO_PROXY: 'upper', no_proxy: 'lower' }).no_proxy ?? '', /^lower,localhost,/);
  assert.match(proxyEnvironment({}).no_proxy ?? '', /^localhost,/);
});
