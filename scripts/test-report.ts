// The reporter that runs inside each test file's process: prints the whole story of what failed, and tells `npm test` through
// descriptor 3 which test is running and the counts so far, a line of JSON each, so that they are known even when the process is ended.
import { writeSync } from 'node:fs';

/** What is known of one file. */
export interface Report {
  passed: number;
  failed: number;
  /** One line a skipped test: its name and its reason. */
  skipped: string[];
  /** The test that is under way. */
  running?: string;
}

interface TestEvent {
  type: string;
  data: {
    name: string;
    skip?: string | boolean;
    details: { type?: string; error?: { cause?: unknown; failureType?: string } };
  };
}

const FILE = process.env.BERTH_TEST_FILE ?? '';
const CHANNEL = 3;

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const report: Report = { passed: 0, failed: 0, skipped: [] };
  for await (const { type, data } of events) {
    if (type === 'test:start') report.running = data.name;
    else if (type === 'test:pass' && data.details.type !== 'suite') {
      if (data.skip === undefined || data.skip === false) report.passed++;
      else report.skipped.push(`${FILE}: ${data.name}: ${data.skip === true ? 'no reason given' : data.skip}`);
    } else if (type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed') {
      report.failed++;
      yield `FAILED ${FILE}: ${data.name}\n${indent(errorText(data.details.error))}\n`;
    } else continue;
    writeSync(CHANNEL, `${JSON.stringify(report)}\n`);
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
