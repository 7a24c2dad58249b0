import { signal } from '@preact/signals'

const media = matchMedia('(max-width: 700px)')

/** The screen is a phone's, held upright: the style breaks at the same width. It changes as the phone is turned. */
export const isNarrow = signal(media.matches)

media.addEventListener('change', ({ matches }) => void (isNarrow.value = matches))
