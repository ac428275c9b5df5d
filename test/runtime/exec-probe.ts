// Runs in a process of its own, as the shim does: further processes in one container, born in both ways (packages/runtime/src/exec.ts).
// Prints one JSON line an exec: how it was born, what it wrote and how it ended, or what was said instead.
import { mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBundle } from '@berth/runtime/bundle';
import { createContainer } from '@berth/runtime/container';
import { setChildSubreaper } from '@berth/sys/process';
import { waitpid } from '@berth/sys/wait';
import { type SpanRecord, Tracer } from '@berth/trace/tracer';

const [bundle = '', root = '', id = '', processes = '[]', repetitions = '1'] = process.argv.slice(2);
const spans: SpanRecord[] = [];
const tracer = new Tracer('runtime', { write: (span) => spans.push(span), flush: () => {} });
setChildSubreaper(true);
const stdin = openSync('/dev/null', 'r');
const container = createContainer({ id, bundle, root, stdio: { stdin, stdout: stdin, stderr: stdin }, spec: readBundle(bundle) });
container.start();
const output = mkdtempSync(join(bundle, 'output-'));
const open = () => readdirSync('/proc/self/fd').length;
for (const [index, process] of JSON.parse(processes).entries()) {
  const path = join(output, String(index));
  const stdout = openSync(path, 'w');
  const before = open();
  const span = tracer.start('exec');
  const result: Record<string, unknown> = {};
  try {
    for (let count = 0; count < Number(repetitions); count++) {
      const { pid } = container.exec(process, { stdio: { stdin, stdout, stderr: stdout }, span });
      result.status = waitpid(pid)?.status;
    }
  } catch (error) {
    result.error = (error as Error).message;
  }
  span.end();
  console.log(
    JSON.stringify({ ...result, child: spans.at(-1)?.attributes?.child, output: readFileSync(path, 'utf8'), leaked: open() - before }),
  );
}
container.kill(9, { all: true });
waitpid(container.pid);
container.delete();
