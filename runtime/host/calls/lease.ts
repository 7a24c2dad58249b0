// The lease of a call under way.
import type { Clock } from '../../clock.ts'
import type { CallJournal } from './journal.ts'

/**
 * Renews the lease until the result is called. Once another owner has the entry, `taken` is aborted: the call can't
 * count.
 */
export function keepLease(
  journal: CallJournal,
  clock: Clock,
  { id, epoch }: { readonly id: string; readonly epoch: number },
  taken: AbortController,
): () => void {
  let stopped = false
  let cancel = () => {}
  const renew = () => {
    if (stopped) return
    cancel = clock.schedule(journal.renewalMs, () => {
      journal.renew(id, epoch).then((isOurs) => (isOurs ? renew() : taken.abort()), renew)
    })
  }
  renew()
  return () => {
    stopped = true
    cancel()
  }
}
