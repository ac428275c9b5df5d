// OpenTelemetry's side of the traces: what a collector gets, from which layers, and that one which is away disturbs nobody.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExportTraceServiceRequest, OtlpSpan } from '@berth/trace/otlp';
import { Berthd } from '../harness/berthd.ts';

const PORT = 4318;
const TRACE = '0af7651916cd43dd8448eb211c80319c';

test('the spans of every layer reach the collector that the environment names', async () => {
  await using berthd = await Berthd.start({
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://localhost:${PORT}/`, OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b' },
  });
  await berthd.importBusybox();
  await berthd.docker(['run', '--name', 'before', 'busybox', 'true']);
  for (let waited = 0; !berthd.log.includes('traces are not sent') && waited < 5000; waited += 100) await sleep(100);
  assert.match(berthd.log, /traces are not sent: http:\/\/localhost:4318\/v1\/traces does not take them/);

  const requests: { path: string; key: string; body: ExportTraceServiceRequest }[] = [];
  const server = createServer(async (message, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk);
    requests.push({
      path: message.url ?? '',
      key: String(message.headers['x-key']),
      body: JSON.parse(Buffer.concat(chunks).toString()) as ExportTraceServiceRequest,
    });
    response.end('{}');
  });
  berthd.inNetwork(() => server.listen(PORT));
  await once(server, 'listening');
  try {
    const started = BigInt(Date.now()) * 1_000_000n;
    const { stdout } = await berthd.docker(['create', 'busybox', 'true']);
    const failing = (await berthd.docker(['create', 'busybox', '/no/such'])).stdout.trim();
    const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
    const start = request({ socketPath: berthd.socket, method: 'POST', path: `/containers/${stdout.trim()}/start`, headers }).end();
    const [{ statusCode }] = (await once(start, 'response')) as [{ statusCode: number }];
    assert.equal(statusCode, 204);
    await berthd.docker(['start', failing]);
    const ofTrace = () =>
      requests.flatMap(({ body }) =>
        body.resourceSpans.flatMap(({ resource, scopeSpans }) => {
          const name = resource.attributes.find(({ key }) => key === 'service.name')?.value as { stringValue: string };
          return scopeSpans.flatMap(({ spans }) => spans.map((span): [string, OtlpSpan] => [name.stringValue, span]));
        }),
      );
    const layers = () => new Set(ofTrace().flatMap(([layer, { traceId }]) => (traceId === TRACE ? [layer] : [])));
    const wanted = ['berth.daemon', 'berth.lifecycle', 'berth.shim', 'berth.runtime', 'berth.network'];
    const failed = () => ofTrace().filter(([, { status }]) => status?.code === 2);
    const complete = () => wanted.every((layer) => layers().has(layer)) && failed().some(([layer]) => layer === 'berth.runtime');
    for (let waited = 0; !complete() && waited < 10_000; waited += 100) await sleep(100);
    assert.deepEqual([...layers()].sort(), wanted.sort());
    assert.ok(requests.every(({ path, key }) => path === '/v1/traces' && key === 'a b'));
    for (const [, span] of ofTrace()) {
      assert.match(span.spanId, /^[0-9a-f]{16}$/);
      assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano));
      assert.ok(BigInt(span.startTimeUnixNano) > started - 10_000_000_000n && BigInt(span.endTimeUnixNano) < started + 60_000_000_000n);
    }
    assert.ok(
      failed().some(([layer, { status }]) => layer === 'berth.runtime' && status?.message.includes('no such file or directory')),
      JSON.stringify(failed()),
    );
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
