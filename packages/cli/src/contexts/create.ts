// `berth context create`
import { EngineError } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import { checkNewName, copyOf, DEFAULT_DESCRIPTION, ENDPOINT_FLAGS, endpointOf, recordOf } from './named.ts';

export const command: Command = {
  usage: 'context create [OPTIONS] CONTEXT',
  description: 'Create a context',
  flags: { ...ENDPOINT_FLAGS, from: { type: 'string', description: 'create context from a named context' } },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const name = args.at(0);
    checkNewName(name);
    if (context.contexts.has(name)) throw new EngineError('AlreadyExists', `context "${name}" already exists`, { layer: 'cli' });
    const asked = endpointOf(args, context);
    if (asked && args.given('from')) {
      throw new EngineError('InvalidArgument', 'cannot use --docker flag when --from is set', { layer: 'cli' });
    }
    // Without either it is a copy of the one in force.
    const from = args.string('from') ?? context.contextName;
    const { endpoint, tls } = asked ?? copyOf(context, from);
    const described = asked
      ? undefined
      : (recordOf(context, from).Metadata.Description ?? (from === 'default' ? DEFAULT_DESCRIPTION : undefined));
    const Description = args.string('description') ?? described;
    context.contexts.write({ Name: name, Metadata: Description ? { Description } : {}, Endpoints: { docker: { ...endpoint } } }, tls);
    context.print(name);
    context.warn(`Successfully created context "${name}"`);
  },
};
