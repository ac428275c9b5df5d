import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { tailStart } from './log-tail.ts';

const directory = mkdtempSync(join(tmpdir(), 'berth-tail-'));
after(() => rmSync(directory, { recursive: true }));

test('the last lines, over several files and blocks', async () => {
  const lines = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 60_000, size: 'max' }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(lines, lines, fc.integer({ min: 0, max: 8 }), async (older, newer, count) => {
      const files = [join(directory, 'log.1'), join(directory, 'log')];
      for (const [index, content] of [older, newer].entries())
        writeFileSync(files[index] as string, content.map((line) => `${line}\n`).join(''));
      const { file, offset } = await tailStart(files, count, () => true);
      const text = files
        .slice(file)
        .map((path) => readFileSync(path, 'utf8'))
        .join('')
        .slice(offset);
      assert.deepEqual(text.split('\n').slice(0, -1), count === 0 ? [] : [...older, ...newer].slice(-count));
    }),
    { numRuns: 40 },
  );
});
