// `berth images`
import type { ImageSummary } from '@berth/api/image';
import { humanDuration, humanSize } from '@berth/api/units';
import { listImages } from '@berth/client/images/list';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { filtersOf } from '../filter-flag.ts';
import { renderListing } from '../format/listing.ts';
import { splitTag } from './name.ts';
import { imageTree } from './tree.ts';

export const command: Command = {
  usage: 'images [OPTIONS] [REPOSITORY[:TAG]]',
  description: 'List images',
  flags: {
    all: { type: 'boolean', alias: 'a', description: 'Show all images (default hides intermediate images)' },
    digests: { type: 'boolean', description: 'Show digests' },
    filter: { type: 'string', array: true, alias: 'f', description: 'Filter output based on conditions provided' },
    format: { type: 'string', description: "Format output: 'table', 'table TEMPLATE', 'json' or a Go template" },
    'no-trunc': { type: 'boolean', description: "Don't truncate output" },
    quiet: { type: 'boolean', alias: 'q', description: 'Only show image IDs' },
    tree: { type: 'boolean', description: 'Show the platforms behind each image' },
  },
  arguments: { min: 0, max: 1 },
  async run(context, args) {
    const filters = filtersOf(args, command.flags);
    const reference = args.positional[0];
    if (reference) filters.reference = [...(filters.reference ?? []), reference];
    if (args.boolean('tree')) {
      const other = ['quiet', 'no-trunc', 'digests', 'format'].find((flag) => args.given(flag));
      if (other) throw new ExitError(1, `--${other} cannot be used with --tree`);
      context.print(imageTree(await listImages(context.engine, { all: args.boolean('all'), filters, manifests: true })));
      return;
    }
    const images = await listImages(context.engine, { all: args.boolean('all'), filters });
    const digests = args.boolean('digests');
    const format = args.string('format') ?? context.config.imagesFormat;
    const text = renderListing(
      {
        standard: `table {{.Repository}}\t{{.Tag}}${digests ? '\t{{.Digest}}' : ''}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`,
        raw: 'repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n',
        headings: {
          ID: 'IMAGE ID',
          Repository: 'REPOSITORY',
          Tag: 'TAG',
          Digest: 'DIGEST',
          CreatedSince: 'CREATED',
          CreatedAt: 'CREATED AT',
          Size: 'SIZE',
          Containers: 'CONTAINERS',
          SharedSize: 'SHARED SIZE',
          UniqueSize: 'UNIQUE SIZE',
          VirtualSize: 'VIRTUAL SIZE',
        },
        identity: 'ID',
        rows: images.flatMap((image) => rowsOf(image, { full: args.boolean('no-trunc'), digests })),
      },
      { quiet: args.boolean('quiet'), ...(format ? { format } : {}) },
    );
    if (text) context.print(text);
  },
};

/** One row a tag; an image without tags has one row of `<none>`. */
function rowsOf(image: ImageSummary, options: { full: boolean; digests: boolean }) {
  const tags = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
  const digestOf = (repo: string) => (image.RepoDigests ?? []).find((digest) => digest.startsWith(`${repo}@`))?.split('@')[1] ?? '<none>';
  const none = (image.RepoDigests ?? [])[0]?.split('@')[0] ?? '<none>';
  const names = tags.length > 0 ? tags.map((tag) => splitTag(tag)) : [{ repo: none, tag: '<none>' }];
  return names.map(({ repo, tag }) => ({
    Containers: image.Containers < 0 ? 'N/A' : String(image.Containers),
    CreatedAt: new Date(image.Created * 1000).toISOString().replace('T', ' ').replace(/\..*/, ' +0000 UTC'),
    CreatedSince: `${humanDuration(Date.now() / 1000 - image.Created)} ago`,
    Digest: digestOf(repo),
    ID: options.full ? image.Id : image.Id.replace('sha256:', '').slice(0, 12),
    Repository: repo,
    SharedSize: image.SharedSize < 0 ? 'N/A' : humanSize(image.SharedSize),
    Size: humanSize(image.Size),
    Tag: tag ?? '<none>',
    UniqueSize: 'N/A',
    VirtualSize: humanSize(image.VirtualSize ?? image.Size, 4),
  }));
}
