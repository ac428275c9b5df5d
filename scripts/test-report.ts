// Prints a run of Node's test runner as one line a file, with the whole story of what failed, and adds up the totals.
import { relative } from 'node:path';
import type { run } from 'node:test';

interface Totals {
  passed: number;
  failed: number;
  /** One line a skipped test: its name and its reason. */
  skipped: string[];
}

interface TestEvent {
  name: string;
  nesting: number;
  file?: string;
  skip?: string | boolean;
  todo?: string | boolean;
  message?: string;
  details: { duration_ms: number; type?: string; error?: { cause?: unknown; failureType?: string } };
}

/** `only`: the one file of the run; a test that was declared elsewhere is counted for it. */
export async function report(stream: ReturnType<typeof run>, totals: Totals, root: string, only?: string): Promise<void> {
  const files = new Map<string, { passed: number; failed: number; ms: number }>();
  const fileOf = (event: TestEvent) => relative(root, only ?? event.file ?? '(no file)');
  const count = (event: TestEvent, outcome: 'passed' | 'failed') => {
    const name = fileOf(event);
    const row = files.get(name) ?? { passed: 0, failed: 0, ms: 0 };
    row[outcome]++;
    files.set(name, row);
    totals[outcome]++;
  };
  const addTime = (event: TestEvent) => {
    const row = files.get(fileOf(event));
    if (row && event.nesting === 0) row.ms += event.details.duration_ms;
  };
  for await (const { type, data } of stream as unknown as AsyncIterable<{ type: string; data: TestEvent }>) {
    if (type === 'test:pass') {
      if (data.details.type === 'suite') addTime(data);
      else if (data.skip !== undefined && data.skip !== false)
        totals.skipped.push(`${fileOf(data)}: ${data.name}: ${data.skip === true ? 'no reason given' : data.skip}`);
      else {
        count(data, 'passed');
        addTime(data);
      }
    } else if (type === 'test:fail') {
      const isSum = data.details.type === 'suite' && data.details.error?.failureType === 'subtestsFailed';
      if (!isSum) count(data, 'failed');
      addTime(data);
      if (isSum) continue;
      console.log(`FAILED ${fileOf(data)}: ${data.name}`);
      console.log(indent(errorText(data.details.error)));
    } else if (type === 'test:stdout') {
      // What a test has to show, such as the table of the seams.
      process.stdout.write(data.message ?? '');
    }
  }
  for (const [name, row] of files) {
    console.log(
      `${row.failed ? 'FAILED' : 'ok    '} ${name}: ${row.passed} passed, ${row.failed} failed (${(row.ms / 1000).toFixed(1)} s)`,
    );
  }
}

function errorText(error: { cause?: unknown } | undefined): string {
  const cause = error?.cause ?? error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
