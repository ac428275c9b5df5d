// Runs in a process of its own, as the shim does: one container from an overlay that init mounts, and prints what became of it.
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBundle } from '@berth/runtime/bundle';
import { createContainer } from '@berth/runtime/container';
import { setChildSubreaper } from '@berth/sys/process';
import { waitpid } from '@berth/sys/wait';
import { type SpanRecord, Tracer } from '@berth/trace/tracer';

const [bundle = '', root = '', id = '', store = '', lower = ''] = process.argv.slice(2);
const spans: SpanRecord[] = [];
const tracer = new Tracer('runtime', { write: (span) => void spans.push(span), flush() {} });
setChildSubreaper(true);
const spec = readBundle(bundle);
if (spec.root) spec.root.path = join(bundle, 'mounted');
writeFileSync(join(store, '99/fs/layer-99'), 'layer 99\n');
const nothing = openSync('/dev/null', 'r+');
const output = join(bundle, 'output');
const span = tracer.start('test');
const container = createContainer({
  id,
  bundle,
  root,
  spec,
  rootfsMounts: [
    {
      type: 'overlay',
      source: 'overlay',
      options: ['index=off', `lowerdir=${lower}:${store}/base/fs`, `upperdir=${store}/upper/fs`, `workdir=${store}/upper/work`],
    },
  ],
  stdio: { stdin: nothing, stdout: openSync(output, 'w'), stderr: 2 },
  span,
});
container.start({ span });
const exit = waitpid(container.pid);
container.delete();
span.end();
console.log(JSON.stringify({ status: exit?.status, spans: spans.map(({ name }) => name), output: readFileSync(output, 'utf8') }));
