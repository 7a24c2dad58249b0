// Rows of a lane that no release of Flotilla has written.
import { plural } from '../../text/quantities.ts'
import type { HostParts } from '../context.ts'

const KEY_CHARS = 100

/** Reports them loudly: they count as absent, and they show that another program writes the topic. */
export function reportUnreadable(
  { instruments, stage }: HostParts,
  lane: number,
  keys: readonly string[],
): void {
  const [first] = keys
  if (first === undefined) return
  instruments.log.error(
    { stage: stage.name, lane, key: JSON.stringify(first.slice(0, KEY_CHARS)) },
    `failed to read ${plural(keys.length, 'row')} of ${stage.name}.state[${lane}], which count as absent; another program has ` +
      `written them, and only ${stage.name} may (docs/principals.md)`,
  )
}
