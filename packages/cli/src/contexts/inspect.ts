// `berth context inspect`
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { INSPECT_FLAGS, inspectObjects } from '../system/inspect-objects.ts';
import { DEFAULT, recordOf } from './named.ts';

export const command: Command = {
  usage: 'context inspect [OPTIONS] [CONTEXT] [CONTEXT...]',
  description: 'Display detailed information on one or more contexts',
  flags: INSPECT_FLAGS,
  arguments: { min: 0 },
  run(context, args) {
    const names = args.positional.length > 0 ? args.positional : [context.contextName];
    return inspectObjects(context, names, args.string('format'), async (name) => describe(context, name), '');
  },
};

function describe(context: Context, name: string): object {
  const { Name, Metadata, Endpoints } = recordOf(context, name);
  if (name === DEFAULT) {
    const nowhere = '<IN MEMORY>';
    return { Name, Metadata, Endpoints, TLSMaterial: {}, Storage: { MetadataPath: nowhere, TLSPath: nowhere } };
  }
  const files = Object.keys(context.contexts.tls(name));
  const { metadata: MetadataPath, tls: TLSPath } = context.contexts.places(name);
  return { Name, Metadata, Endpoints, TLSMaterial: files.length > 0 ? { docker: files } : {}, Storage: { MetadataPath, TLSPath } };
}
