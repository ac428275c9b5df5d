// berth-lifecycle: reads the command line, serves until SIGTERM or SIGINT, and says both on stderr. Containers outlive it.
import { writeFileSync } from 'node:fs';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { optimizeEarly } from '@berth/sys/early-optimization';
import pino from 'pino';
import { parseSettings } from './flags.ts';
import { startService } from './service.ts';

const STDERR = 2;

try {
  const settings = parseSettings(process.argv.slice(2));
  if ('print' in settings) process.stdout.write(settings.print);
  else {
    optimizeEarly();
    const log = pino(
      { level: settings.logLevel === 'panic' ? 'fatal' : settings.logLevel, base: { program: 'berth-lifecycle', pid: process.pid } },
      pino.destination({ fd: STDERR, sync: true }),
    );
    // Tasks are safe with their shims: better to be started anew than to go on in a state that nobody foresaw.
    process.on('uncaughtException', (error) => {
      log.fatal({ err: error }, 'unexpected error; stopping, containers run on');
      process.exit(70);
    });
    for (const warning of settings.warnings) log.warn(warning);
    if (settings.temp !== '') process.env.TMPDIR = settings.temp;
    if (settings.oomScore !== 0) writeFileSync('/proc/self/oom_score_adj', String(settings.oomScore));
    const service = await startService(settings, log);
    log.info({ address: settings.address, root: settings.root, state: settings.state }, 'serving');
    let stopping = false;
    const stop = async (signal: string) => {
      if (stopping) return;
      stopping = true;
      log.info({ signal }, 'stopping; containers run on');
      await service.stop();
      process.exit(0);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  }
} catch (thrown) {
  const error = toEngineError(thrown);
  const hint = error.kind === 'PermissionDenied' && !(thrown instanceof EngineError) ? ' (berth-lifecycle needs root)' : '';
  process.stderr.write(`berth-lifecycle: ${error.message}${hint}\n`);
  process.exit(error.kind === 'InvalidArgument' ? 2 : 1);
}
