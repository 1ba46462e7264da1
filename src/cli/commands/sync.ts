import { apiOf, examples, type Register } from '../cli.ts'
import type { Held } from '../types.ts'
import { removals } from '../words.ts'

/** `sync accept [ID]`. */
export const sync: Register = (program, cli) => {
  const group = program.command('sync').summary('held syncs')
  const accept = group
    .command('accept')
    .argument('[id]', 'which held sync, as `meshctl status` names it; needed where several are held')
    .summary('let a held sync remove what it would remove')
    .description(
      'A sync that would remove an unusual share of all routes or instances is held. This releases it: what it removes is gone from the routers within a second.',
    )
    .option('--source <name>', 'the one of this source')
    .action(async (id: string | undefined, { source }: { source?: string }) => {
      const { accepted } = await apiOf(accept, cli).post<{ accepted: Held }>('/v1/sync/accept', { id, source })
      if (accept.optsWithGlobals<{ json?: boolean }>().json) cli.out.json({ accepted })
      else cli.out.write(`accepted: the sync of ${accepted.source} now removes ${removals(accepted)}`)
    })
  examples(group, [['sync accept', 'release the held sync']])
  examples(accept, [
    ['sync accept', 'the one that is held'],
    ['sync accept --source cf', 'the one of a source'],
  ])
}
