// How much room the screen has. The style breaks at the same widths; they change as a phone is turned.
import { signal, type ReadonlySignal } from '@preact/signals'

function follows(query: string): ReadonlySignal<boolean> {
  const media = matchMedia(query)
  const isMatch = signal(media.matches)
  media.addEventListener('change', ({ matches }) => void (isMatch.value = matches))
  return isMatch
}

/** A phone, held upright. */
export const isNarrow = follows('(max-width: 700px)')
/** More than a laptop's. */
export const isWide = follows('(min-width: 1501px)')
