import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { tarEntry } from './entry.ts';
import { tarMembers } from './members.ts';
import { tarEnd, tarHeader, tarPadding } from './writer.ts';

function archiveOf(files: readonly (readonly [string, Buffer])[]): Buffer {
  const members = files.flatMap(([name, body]) => [
    tarHeader(tarEntry({ type: 'file', name, size: body.length })),
    body,
    tarPadding(body.length),
  ]);
  return Buffer.concat([...members, tarEnd()]);
}

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('members come in order, whole or skipped, however the archive is cut', async () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(bodies, fc.integer({ min: 1, max: 3000 }), fc.nat(), async (contents, size, skip) => {
      const files = contents.map((body, index) => [`f${index}`, Buffer.from(body)] as const);
      const seen: string[] = [];
      for await (const { entry, data } of tarMembers(cut(archiveOf(files), size))) {
        const index = seen.push(entry.name) - 1;
        if (index % 3 === skip % 3) continue;
        assert.deepEqual(await buffer(data), files[index]?.[1]);
      }
      assert.deepEqual(
        seen,
        files.map(([name]) => name),
      );
    }),
    { numRuns: 50 },
  );
});
