// berth-registry: reads the command line, then serves until SIGTERM or SIGINT, or collects garbage and ends.
import { toEngineError } from '@berth/errdefs/engine-error';
import pino from 'pino';
import { type CollectSettings, parseSettings, type ServeSettings, USAGE } from './flags.ts';
import { serve } from './serve.ts';
import { collect } from './store/collect.ts';
import { Store } from './store/store.ts';

const VERSION = '0.1.0';
const STDERR = 2;

try {
  const settings = parseSettings(process.argv.slice(2));
  if (settings === 'help') process.stdout.write(USAGE);
  else if (settings === 'version') process.stdout.write(`berth-registry ${VERSION}\n`);
  else if (settings.command === 'gc') await runCollection(settings);
  else await runServer(settings);
} catch (thrown) {
  const error = toEngineError(thrown);
  process.stderr.write(`berth-registry: ${error.message}\n`);
  process.exit(error.kind === 'InvalidArgument' ? 2 : 1);
}

async function runServer(settings: ServeSettings): Promise<void> {
  const log = pino({ level: settings.logLevel, base: undefined }, pino.destination({ fd: STDERR, sync: true }));
  const registry = await serve(settings, log);
  process.stderr.write(`berth-registry listens on ${registry.url}\n`);
  const stop = async () => {
    await registry.stop();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
  process.on('SIGHUP', () => {
    try {
      registry.reload();
    } catch (error) {
      log.error({ err: error }, 'the certificate is left as it was');
    }
  });
}

async function runCollection(settings: CollectSettings): Promise<void> {
  const store = await Store.open(settings.root, { create: false });
  const { dryRun } = settings;
  const collected = await collect(store, settings, (line) => process.stdout.write(`${line}\n`));
  const { manifests, blobs, bytes, uploads } = collected;
  process.stdout.write(
    `${dryRun ? 'would delete' : 'deleted'} ${manifests} manifests, ${blobs} blobs of ${bytes} bytes, ${uploads} uploads\n`,
  );
}
