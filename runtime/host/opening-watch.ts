// Reports an opening of a lane that takes long, with what it waits for by then: none may wait in silence.
import { plural } from '../text/quantities.ts'
import type { HostParts } from './context.ts'

const REPORT_EVERY_MS = 30_000

/** The result ends it. */
export function watchOpening(
  { clock, instruments, stage }: Pick<HostParts, 'clock' | 'instruments' | 'stage'>,
  lane: number,
  waitsFor: () => string,
): () => void {
  const startedMs = clock.now()
  const watch = (): (() => void) =>
    clock.schedule(REPORT_EVERY_MS, () => {
      const seconds = plural(Math.round((clock.now() - startedMs) / 1_000), 'second')
      instruments.log.warn(
        { stage: stage.name, lane, waitsFor: waitsFor() },
        `failed to open a lane in ${seconds}; still waiting for ${waitsFor()}`,
      )
      cancel = watch()
    })
  let cancel = watch()
  return () => cancel()
}
