// The flags that `stop` and `restart` share.
import type { StopOptions } from '@berth/client/containers/stop';
import type { Flags } from '../command.ts';
import type { Arguments } from '../parse.ts';

export const STOP_FLAGS: Flags = {
  signal: { type: 'string', alias: 's', description: 'Signal to send to the container' },
  timeout: { type: 'number', alias: 't', description: 'Seconds to wait before killing the container' },
  time: { type: 'number', hidden: true },
};

export function stopOptions(args: Arguments): StopOptions {
  const timeout = args.number('timeout') ?? args.number('time');
  return { ...(args.given('signal') ? { signal: args.string('signal') as string } : {}), ...(timeout === undefined ? {} : { timeout }) };
}
