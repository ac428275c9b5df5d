// How `rmi` and `image prune` tell what was removed.
import type { ImageDeleteItem } from '@berth/api/image';

export function deletedText(item: ImageDeleteItem): string {
  return 'Untagged' in item ? `Untagged: ${item.Untagged}` : `Deleted: ${item.Deleted}`;
}
