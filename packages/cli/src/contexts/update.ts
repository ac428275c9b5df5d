// `berth context update`
import type { Command } from '../command.ts';
import { checkNewName, ENDPOINT_FLAGS, endpointOf } from './named.ts';

export const command: Command = {
  usage: 'context update [OPTIONS] CONTEXT',
  description: 'Update a context',
  flags: ENDPOINT_FLAGS,
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const name = args.at(0);
    checkNewName(name);
    const record = context.contexts.read(name);
    const asked = endpointOf(args, context);
    const Description = args.string('description');
    const Metadata = Description === undefined ? record.Metadata : { ...record.Metadata, Description };
    const Endpoints = asked ? { ...record.Endpoints, docker: { ...asked.endpoint } } : record.Endpoints;
    context.contexts.write({ ...record, Metadata, Endpoints }, asked?.tls);
    context.print(name);
    context.warn(`Successfully updated context "${name}"`);
  },
};
