// Notes, in the key-value store, that a lane moved while its owner lived on: nothing that ran there ended it.
import type { HostParts } from '../context.ts'
import { FORGOTTEN_MS } from './suspects.ts'

const keyOf = (stage: string, lane: number, epoch: number): string => `moved:${stage}:${lane}:${epoch}`

/** Whether the owner of this epoch noted a move. Rejects if the store can't say. */
export async function hasMoved(
  { keyValue, stage }: HostParts,
  lane: number,
  epoch: number,
): Promise<boolean> {
  const noted = await keyValue?.get(keyOf(stage.name, lane, epoch))
  return noted !== undefined && noted !== null
}

/** Resolves in any case: without the note, the lane's end counts as a death. */
export async function noteMove(parts: HostParts, lane: number, epoch: number): Promise<void> {
  const { keyValue, stage, instruments } = parts
  try {
    await keyValue?.set(keyOf(stage.name, lane, epoch), 'moved', FORGOTTEN_MS)
  } catch (error) {
    instruments.log.debug({ err: error }, 'failed to note that a lane moved; its end will count as a death')
  }
}
